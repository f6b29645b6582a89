# heed. One object tree per flavour under $(BUILD):
#
#   float, double    the libraries libheed and libheed64        asan, asan64    the same with HEED_DEBUG, ASan and UBSan
#
# CC=clang builds into build/clang, so the trees of two compilers live side by side. PORTABLE=1 leaves out -march=native,
# WERROR=1 turns warnings into errors, V=1 shows the commands. A tree whose flags change is built anew.
#
# Targets (`make help` prints these lines):
#: all          both libraries and the programs, in build/
#: demo         train a small translator, then translate held-out sentences
#: test         the test programs in float and double, and the quick scripts (3 minutes)
#: check        everything CI runs: gcc and clang, sanitizers, lint, format, install, a demo (20 minutes)
#: check-long   check's sweeps: long tests, every planted fault, the PyTorch twin if it is installed
#: gradcheck    every op and layer against finite differences, in double
#: asan         the tests with ASan, UBSan and leak detection
#: bench        heed beside the peers found on this machine: a table of ratios (10 minutes)
#: golden       build/golden, which compares a folder of reference numbers
#: fmt          clang-format every C file
#: lint         the rules of the house: arrows, sizes, symbols, forbidden words
#: install      libraries, headers and pkg-config files, under PREFIX=/usr/local and DESTDIR=
#: uninstall    what install put there, and the folders it made
#: clean        remove build/
#: help         this list

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD    ?= $(if $(findstring clang,$(CC)),build/clang,build)
PREFIX   ?= /usr/local
VERSION  := $(shell sed -n 's/^.define HEED_VERSION "\(.*\)"/\1/p' src/tensor/tensor.h)
SONUMBER := $(firstword $(subst ., ,$(VERSION)))
FLAVOURS := float double asan asan64

ROOMS    := tensor autograd layers train text inspect
HEADERS  := src/heed.h $(foreach room,$(ROOMS),src/$(room)/$(room).h)
SOURCES  := $(wildcard src/*/*.c)
TOY      := $(wildcard examples/translate_toy/*.c)
GOLDEN   := $(wildcard tests/golden.c tests/golden/*.c)
BENCH    := $(wildcard bench/*.c)
SINGLE   := $(wildcard examples/*.c)
TESTS    := $(wildcard tests/test_*.c)
# Programs of the float library, and of the double one: those that check gradients.
PROGRAMS64 := $(if $(GOLDEN),golden) $(filter own_op,$(SINGLE:examples/%.c=%))
PROGRAMS   := $(if $(TOY),translate_toy) $(if $(BENCH),heed_bench) $(filter-out $(PROGRAMS64),$(SINGLE:examples/%.c=%))
# Scripts that make test runs. The others have a target of their own.
SCRIPTS  := $(filter-out tests/run.sh tests/faults.sh tests/readme.sh tests/lint_test.sh tests/page.sh tests/long_%, \
              $(wildcard tests/*.sh))

PACKAGES := jansson libutf8proc # that are linked; of OpenBLAS the headers are read, and the rest when it is needed
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wcast-qual \
            -Wvla -Wformat=2 -Wno-psabi $(if $(WERROR),-Werror)
MACHINE  := $(if $(PORTABLE),,-march=native)
OPTIMISE := -O3 -ffp-contract=fast -fno-trapping-math -fno-math-errno $(MACHINE)
SANITISE := -O1 -g $(MACHINE) -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DHEED_DEBUG
COMPILE  := $(CC) -std=c11 -D_DEFAULT_SOURCE $(WARNINGS) -fopenmp -fPIC -fno-semantic-interposition \
            -fvisibility=hidden -Isrc -I$(BUILD)/gen $(shell pkg-config --cflags openblas 2>/dev/null) \
            $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS)
LIBS     := $(if $(shell pkg-config --exists openblas $(PACKAGES) && echo there),, \
              $(warning OpenBLAS, jansson or utf8proc was not found: ./bootstrap.sh deps installs them)) \
            $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) \
            -lm -ldl -fopenmp $(LDFLAGS)

float_flags  := $(OPTIMISE) -Wdouble-promotion
double_flags := $(OPTIMISE) -DHEED_DOUBLE
asan_flags   := $(SANITISE) -Wdouble-promotion
asan64_flags := $(SANITISE) -DHEED_DOUBLE
float_name   := libheed
double_name  := libheed64
asan_name    := libheed
asan64_name  := libheed64

show = $(if $(V),,@printf '  %-6s %s\n' $1 $@ &&)

all: libs programs
libs: $(foreach f,float double,$(BUILD)/$f/$($f_name).a $(BUILD)/$f/$($f_name).so.$(VERSION))
programs: $(PROGRAMS:%=$(BUILD)/%) $(PROGRAMS64:%=$(BUILD)/%)
golden: $(BUILD)/golden

# ---- one flavour, $1 -------------------------------------------------------------------------------------------------
# heed.a holds the objects as they are: for tests, which may use hidden names. In libheed.a they are one object whose
# hidden names are local, so that libheed.a and libheed64.a fit into one program. Paths are relative to the root:
# src/tensor/rng.c becomes build/float/src/tensor/rng.o.
define flavour
$1_objects := $$(SOURCES:%.c=$(BUILD)/$1/%.o) $(BUILD)/$1/gen/page.o
$1_library := $(BUILD)/$1/$($1_name).a

$(BUILD)/$1/%.o: %.c $(BUILD)/$1/flags | $(BUILD)/gen/names64.h
	@mkdir -p $$(@D)
	$$(call show,CC) $(COMPILE) $($1_flags) -MMD -MP -c -o $$@ $$<

$(BUILD)/$1/gen/page.o: $(BUILD)/gen/page.c $(BUILD)/$1/flags
	@mkdir -p $$(@D)
	$$(call show,CC) $(COMPILE) $($1_flags) -c -o $$@ $$<

$(BUILD)/$1/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(COMPILE) $($1_flags) $(LIBS)' | cmp -s - $$@ || echo '$(COMPILE) $($1_flags) $(LIBS)' > $$@

$(BUILD)/$1/heed.a: $$($1_objects)
	@rm -f $$@
	$$(call show,AR) ar rcs $$@ $$^
$$($1_library): $$($1_objects)
	@rm -f $$@
	@ld -r -o $$(@:.a=.o) $$^ && objcopy --localize-hidden $$(@:.a=.o)
	$$(call show,AR) ar rcs $$@ $$(@:.a=.o)
$(BUILD)/$1/$($1_name).so.$(VERSION): $$($1_objects)
	$$(call show,LINK) $(CC) $($1_flags) -shared -Wl,-soname,$($1_name).so.$(SONUMBER) -Wl,-Bsymbolic-functions \
	    -Wl,--no-undefined -o $$@ $$^ $(LIBS)

$(BUILD)/$1/tests/%: $(BUILD)/$1/tests/%.o $(BUILD)/$1/heed.a
	$$(call show,LINK) $(CC) $($1_flags) -o $$@ $$^ -lcmocka $(LIBS) $$(BLAS)
# tests/test_gemm.c stands between the library and its BLAS, so it is linked to one.
$(BUILD)/$1/tests/test_gemm: BLAS := $(shell pkg-config --libs openblas 2>/dev/null)
# tests/test_toy*.c and tests/test_bench*.c test parts of translate_toy and heed_bench, so they get their objects but main.
$$(patsubst %.c,$(BUILD)/$1/%,$$(filter tests/test_toy%,$$(TESTS))): \
    $(BUILD)/$1/tests/%: $(BUILD)/$1/tests/%.o $(BUILD)/$1/toy.a $(BUILD)/$1/heed.a
	$$(call show,LINK) $(CC) $($1_flags) -o $$@ $$^ -lcmocka $(LIBS)
$$(patsubst %.c,$(BUILD)/$1/%,$$(filter tests/test_bench%,$$(TESTS))): \
    $(BUILD)/$1/tests/%: $(BUILD)/$1/tests/%.o $(BUILD)/$1/bench.a $(BUILD)/$1/heed.a
	$$(call show,LINK) $(CC) $($1_flags) -o $$@ $$^ -lcmocka $(LIBS)
$(BUILD)/$1/toy.a: $$(patsubst %.c,$(BUILD)/$1/%.o,$$(filter-out %/main.c,$$(TOY)))
$(BUILD)/$1/bench.a: $$(patsubst %.c,$(BUILD)/$1/%.o,$$(filter-out %/heed_bench.c,$$(BENCH)))
$(BUILD)/$1/toy.a $(BUILD)/$1/bench.a:
	@rm -f $$@
	$$(call show,AR) ar rcs $$@ $$^

$(BUILD)/$1/bin/translate_toy: $$(TOY:%.c=$(BUILD)/$1/%.o)
$(BUILD)/$1/bin/golden: $$(GOLDEN:%.c=$(BUILD)/$1/%.o)
$(BUILD)/$1/bin/heed_bench: $$(BENCH:%.c=$(BUILD)/$1/%.o)
$$(SINGLE:examples/%.c=$(BUILD)/$1/bin/%): $(BUILD)/$1/bin/%: $(BUILD)/$1/examples/%.o
$(BUILD)/$1/bin/%: $$($1_library)
	@mkdir -p $$(@D)
	$$(call show,LINK) $(CC) $($1_flags) -o $$@ $$(filter %.o,$$^) $$($1_library) $(LIBS)

$1_tests: $$(TESTS:%.c=$(BUILD)/$1/%)
.PHONY: $1_tests

-include $$(patsubst %.c,$(BUILD)/$1/%.d,$$(SOURCES) $$(TOY) $$(GOLDEN) $$(BENCH) $$(SINGLE) $$(TESTS))
endef
$(foreach f,$(FLAVOURS),$(eval $(call flavour,$f)))

$(BUILD)/gen/names64.h: tools/names64.sh $(HEADERS)
	@mkdir -p $(@D)
	$(call show,GEN) tools/names64.sh $(HEADERS) > $@.new && mv $@.new $@

$(BUILD)/gen/page.c: tools/page.sh $(wildcard src/inspect/page/*)
	@mkdir -p $(@D)
	$(call show,GEN) tools/page.sh src/inspect/page > $@.new && mv $@.new $@

$(PROGRAMS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/float/bin/%
	@ln -f $< $@
$(PROGRAMS64:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/double/bin/%
	@ln -f $< $@

# ---- tests ------------------------------------------------------------------------------------------------------------
# Scripts find the programs in $$BIN.
test: programs float_tests double_tests
	@BIN=$(BUILD) tests/run.sh $(TESTS:%.c=$(BUILD)/float/%) $(TESTS:%.c=$(BUILD)/double/%) $(SCRIPTS)

gradcheck: double_tests
	@tests/run.sh $(patsubst %.c,$(BUILD)/double/%,$(filter tests/test_gradients%,$(TESTS)))

# In double, under the sanitizers, inspection takes four minutes and the toy corpus has no numbers: check-long does these.
SLOW64 = $(filter tests/test_inspect_% tests/test_toy_splits.c,$(TESTS))
asan: asan_tests asan64_tests $(PROGRAMS:%=$(BUILD)/asan/bin/%) $(PROGRAMS64:%=$(BUILD)/asan64/bin/%)
	@mkdir -p $(BUILD)/asan/programs
	@for program in $(PROGRAMS:%=asan/bin/%) $(PROGRAMS64:%=asan64/bin/%); do \
	    ln -f $(BUILD)/$$program $(BUILD)/asan/programs; done
	@BIN=$(BUILD)/asan/programs tests/run.sh $(TESTS:%.c=$(BUILD)/asan/%) \
	    $(patsubst %.c,$(BUILD)/asan64/%,$(filter-out $(SLOW64),$(TESTS))) $(SCRIPTS)
asan64_slow: asan64_tests
	@tests/run.sh $(SLOW64:%.c=$(BUILD)/asan64/%)

check:
	@tools/check.sh
check-long:
	@tools/check.sh long

lint: $(BUILD)/float/libheed.so.$(VERSION) $(BUILD)/double/libheed64.so.$(VERSION)
	@tools/lint.sh . $^

fmt:
	clang-format -i $(C_FILES)
fmt-check:
	@! { clang-format --dry-run $(C_FILES) 2>&1 || echo 'clang-format: error:'; } | grep -E '(warning|error):' | cut -d: -f1 | \
	    sort -u | sed 's/$$/: not formatted (make fmt)/' | grep .
C_FILES = $(wildcard src/*.h src/*/*.[ch] examples/*.[ch] examples/*/*.[ch] tests/*.[ch] tests/*/*.[ch] bench/*.[ch])

# ---- running, installing ----------------------------------------------------------------------------------------------
demo: $(BUILD)/translate_toy
	$(BUILD)/translate_toy demo

bench: $(BUILD)/heed_bench
	@BIN=$(BUILD) bench/run.sh

install: libs
	@BUILD=$(BUILD) VERSION=$(VERSION) LIBS='$(LIBS)' tools/install.sh install '$(DESTDIR)' '$(PREFIX)' $(HEADERS)
uninstall:
	@tools/install.sh uninstall '$(DESTDIR)' '$(PREFIX)'

clean:
	rm -rf build
help:
	@sed -n 's/^#: //p' Makefile

FORCE:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all libs programs golden test gradcheck asan asan64_slow check check-long lint fmt fmt-check demo bench install \
        uninstall clean help FORCE
