/* k_parallel: one large operation on several threads.
 *
 * How the work is cut into parts is the caller's, and must depend on the shape alone; which thread runs a part changes
 * nothing but the time. So the bits are the same for any number of threads. Inside a shard there is one thread. */
#include "kernels.h"

#include <omp.h>

int k_threads(int threads)
{
    return threads < 1 || omp_in_parallel() ? 1 : threads;
}

void k_parallel(int threads, int64_t parts, k_part *part, void *context)
{
    if (threads > parts)
        threads = (int)parts;
    if (k_threads(threads) == 1) {
        for (int64_t i = 0; i < parts; i++)
            part(i, context);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < parts; i++)
        part(i, context);
}

int64_t k_parts(int64_t items, int64_t work, int64_t *each)
{
    enum { LEAST = 1 << 16 }; /* a part of 65,536 multiplications takes about 5 us; waking a thread, 1 us */
    double wanted = (double)items * (double)work / LEAST;
    int64_t parts = wanted < 1 ? 1 : wanted > K_MOST_PARTS ? K_MOST_PARTS : (int64_t)wanted;
    *each = (items + parts - 1) / parts;
    return *each ? (items + *each - 1) / *each : 0;
}
