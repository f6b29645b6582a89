/* k_amx: the sums of k_split by AMX, the matrix unit of Intel's server cores since 2023: eight tiles of 16 rows of 64
 * bytes, and an instruction that multiplies 16 x 32 by 32 x 16 bf16 numbers. Compiled whatever the build's flags, and
 * used where cpuid shows the unit and Linux, which must be asked once a process, grants its registers.
 *
 * Four tiles hold the sums of 32 x 32, two each a step of the strip and of the panel: half a load for a product. A
 * tile load waits for the one before in the same tile, so nothing is gained by more. */
#include "k_split.h"

#if !defined(HEED_DOUBLE) && (defined(K_AMX_EMULATED) || (defined(__x86_64__) && defined(__linux__)))

#ifndef K_AMX_EMULATED /* by a test, which brings its own */
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#define AMX __attribute__((target("amx-tile,amx-bf16")))
#endif

AMX static void begin(void)
{
    /* Intel SDM, LDTILECFG: palette 1; bytes of a row of each tile; rows of each tile */
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = { .palette = 1 };
    for (int i = 0; i < 8; i++)
        config.row_bytes[i] = 64, config.rows[i] = SPLIT_SIDE;
    _tile_loadconfig(&config);
}

AMX static void end(void)
{
    _tile_release();
}

AMX static void sums(float *to, const uint32_t *strip, const uint32_t *panel, const split_mode *mode, int64_t steps)
{
    enum { ROW = SPLIT_SIDE * sizeof *strip, SUMS_ROW = SPLIT_WIDE * sizeof *to };
    int64_t part = steps * 2 * SPLIT_TILE;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int product = 0; product < mode->products; product++) {
        const uint32_t *a = strip + mode->a[product] * part, *b = panel + mode->b[product] * part;
        for (int64_t step = 0; step < steps; step++, a += 2 * SPLIT_TILE, b += 2 * SPLIT_TILE) {
            _tile_loadd(4, a, ROW);
            _tile_loadd(6, b, ROW);
            _tile_loadd(7, b + SPLIT_TILE, ROW);
            _tile_loadd(5, a + SPLIT_TILE, ROW);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, to, SUMS_ROW);
    _tile_stored(1, to + SPLIT_SIDE, SUMS_ROW);
    _tile_stored(2, to + SPLIT_SIDE * SPLIT_WIDE, SUMS_ROW);
    _tile_stored(3, to + SPLIT_SIDE * SPLIT_WIDE + SPLIT_SIDE, SUMS_ROW);
}

static const split_unit unit = { .begin = begin, .end = end, .sums = sums };

#ifndef K_AMX_EMULATED
static bool granted;

static void ask(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };       /* cpuid 7, 0: edx */
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 }; /* asm/prctl.h, which old systems lack */
    unsigned a, b, c, d;
    granted = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_BF16) && (d & AMX_TILE) &&
              syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

const split_unit *k_amx_unit(void)
{
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    pthread_once(&asked, ask);
    return granted ? &unit : NULL;
}
#endif

#else

const split_unit *k_amx_unit(void)
{
    return NULL;
}

#endif
