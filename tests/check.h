/* What every test file includes: cmocka, heed, and a few comparisons. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "heed.h"

/* Rounding of a few operations on numbers near 1, in this build's precision. */
#define CHECK_EPS (sizeof(heed_real) == 8 ? 1e-12 : 2e-6)

/* |got - want| <= tolerance max(1, |want|), with both printed otherwise. */
static inline void check_close_at(double got, double want, double tolerance, const char *file, int line)
{
    double limit = tolerance * fmax(1.0, fabs(want));
    if (!(fabs(got - want) <= limit)) {
        print_error("%s:%d: got %.17g, want %.17g, off by %.3g (limit %.3g)\n", file, line, got, want, fabs(got - want),
                    limit);
        _fail(file, line);
    }
}
#define check_close(got, want, tolerance) check_close_at((double)(got), (double)(want), (tolerance), __FILE__, __LINE__)

/* The call failed with this kind, and its message has this text in it. Clears the error. */
static inline void check_failed_at(heed_error_kind kind, const char *part, const char *file, int line)
{
    heed_error_kind got = heed_error_code();
    bool pending = heed_error_pending();
    const char *text = heed_error();
    if (!pending || got != kind || !strstr(text, part)) {
        print_error("%s:%d: want error %d with \"%s\", got %s %d: \"%s\"\n", file, line, (int)kind, part,
                    pending ? "error" : "none pending,", (int)got, text);
        _fail(file, line);
    }
    heed_error_clear();
}
#define check_failed(kind, part) check_failed_at((kind), (part), __FILE__, __LINE__)

/* Nothing has failed; prints the message otherwise. */
static inline void check_no_error_at(const char *file, int line)
{
    if (heed_error_pending()) {
        print_error("%s:%d: unexpected error: %s\n", file, line, heed_error());
        _fail(file, line);
    }
}
#define check_no_error() check_no_error_at(__FILE__, __LINE__)

#endif
