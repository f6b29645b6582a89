/* Every allocation of a scenario fails once, alone and with all after it: each time there must be a clean error and
 * nothing left over. The scenario returns whether it got through; true without an error ends the sweep. */
#ifndef MEMORY_SWEEP_H
#define MEMORY_SWEEP_H

#include "check.h"

static inline void check_memory_sweep_at(bool (*scenario)(void), int at_least, const char *file, int line)
{
    for (int sticky = 0; sticky < 2; sticky++) {
        heed_memory before = heed_memory_now();
        bool through = false;
        int64_t n = 0;
        while (!through && n < 100000) {
            heed_memory_fail_at(++n, sticky);
            through = scenario();
            heed_memory_fail_at(0, false);
            if (!through)
                check_failed_at(HEED_MEMORY, "out of memory", file, line);
            heed_memory after = heed_memory_now();
            if (after.blocks != before.blocks || after.bytes != before.bytes) {
                print_error("%s:%d: allocation %lld failed, and %lld blocks were left over\n", file, line, (long long)n,
                            (long long)(after.blocks - before.blocks));
                _fail(file, line);
            }
        }
        check_no_error_at(file, line);
        if (n <= at_least) {
            print_error("%s:%d: only %lld allocations\n", file, line, (long long)n - 1);
            _fail(file, line);
        }
    }
}
#define check_memory_sweep(scenario, at_least) check_memory_sweep_at((scenario), (at_least), __FILE__, __LINE__)

#endif
