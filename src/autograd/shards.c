/* The shard runner: a function run once per shard, on several threads.
 *
 * Rules
 *   - Which thread runs a shard is left to chance; a shard's result may depend on its number only. So shards are handed
 *     out one by one, and a slow one does not hold up the others.
 *   - Every parallel region says how many threads it has: the OpenMP runtime's own default is moved by other libraries
 *     (OpenBLAS's OpenMP build lowers it).
 *   - Errors stay inside the region, on the thread where they happened, until all shards are done. */
#include <omp.h>
#include <stdlib.h>

#include "autograd.h"
#include "../tensor/internal.h"

enum { MAX_THREADS = 1024 };

int heed_threads(void)
{
    const char *text = getenv("OMP_NUM_THREADS"); /* "4", or "4,2" for nested regions */
    if (text) {
        char *end;
        long n = strtol(text, &end, 10);
        if (end != text && (*end == '\0' || *end == ',') && n >= 1)
            return n < MAX_THREADS ? (int)n : MAX_THREADS;
    }
    int cores = omp_get_num_procs(); /* of the affinity mask */
    return cores < 1 ? 1 : cores < MAX_THREADS ? cores : MAX_THREADS;
}

typedef struct {
    heed_shard_fn *fn;
    void *context;
    int failed; /* the lowest-numbered failed shard so far; -1: none */
    error_state error;
    omp_lock_t lock; /* of the two above; the name of a critical section would be an exported symbol */
} shard_job;

/* What a shard left in the thread's error goes with it, so that the next shard there starts clean. */
static void run_shard(shard_job *job, int shard, int worker)
{
    bool ok = job->fn(shard, worker, job->context);
    if (!ok && !heed_error_pending())
        heed_fail(HEED_BAD_STATE, "shards: shard %d failed and left no error", shard);
    error_state error = error_take();
    if (ok)
        return;
    omp_set_lock(&job->lock);
    if (job->failed < 0 || shard < job->failed) {
        job->failed = shard;
        job->error = error;
    }
    omp_unset_lock(&job->lock);
}

bool heed_shards_run(int shards, int threads, heed_shard_fn *fn, void *context)
{
    if (shards < 0 || threads < 0 || !fn)
        return heed_fail(HEED_BAD_ARGUMENT, "shards: got %d shards, %d threads and %s function", shards, threads,
                         fn ? "a" : "no");
    error_state before = error_take(); /* the calling thread works too; its older failure comes first */
    shard_job job = { .fn = fn, .context = context, .failed = -1 };
    omp_init_lock(&job.lock);
    if (threads == 0)
        threads = heed_threads();
    if (threads > shards)
        threads = shards;
    if (threads <= 1 || omp_in_parallel()) {
        for (int shard = 0; shard < shards; shard++)
            run_shard(&job, shard, 0);
    } else {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (int shard = 0; shard < shards; shard++)
            run_shard(&job, shard, omp_get_thread_num());
    }
    omp_destroy_lock(&job.lock);
    if (before.pending)
        error_put(&before);
    if (job.failed >= 0)
        error_put(&job.error);
    return job.failed < 0;
}
