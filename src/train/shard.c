/* Parallel steps: a batch cut into shards, each with its own forward, backward and slab of gradients.
 *
 * What a shard computes, and the order in which shards are summed, depend on the batch and the number of shards; so
 * threads change the time a step takes and nothing else. A tape belongs to a worker and is reset before each shard; a
 * slab of gradients belongs to a shard, the first shard's being that of the params unless it holds something already. */
#include <math.h>

#include "slab.h"
#include "../tensor/internal.h"
#include "../tensor/kernels.h"

/* ---- the cut ---------------------------------------------------------------------------------------------------- */
int heed_shards_rule(int64_t rows, int64_t padded_tokens, int64_t parameters)
{
    enum { MOST = 8, TOKENS = 96 };
    int64_t limit = rows < MOST ? rows : MOST;
    if (padded_tokens / TOKENS < limit)
        limit = padded_tokens / TOKENS;
    if (parameters > 0 && (INT64_C(1) << 25) / parameters < limit)
        limit = (INT64_C(1) << 25) / parameters;
    int shards = rows >= 2 ? 2 : 1;
    while (2 * shards <= limit)
        shards *= 2;
    return shards;
}

/* The rows from `start` on that one shard can take at a cost (rows x longest row) of at most `most`, leaving `spare`.
 */
static int64_t take(const int32_t *lengths, int64_t start, int64_t rows, int64_t spare, int64_t most)
{
    int64_t longest = 1, end = start;
    while (end < rows - spare) {
        longest = lengths[end] > longest ? lengths[end] : longest;
        if ((end + 1 - start) * longest > most)
            break;
        end++;
    }
    return end;
}

static bool fits(const int32_t *lengths, int64_t start, int64_t rows, int shards, int64_t most)
{
    for (int left = shards - 1; left >= 0 && start < rows; left--)
        start = take(lengths, start, rows, left, most);
    return start == rows;
}

/* The least cost within which rows start .. rows-1 fit into so many shards. */
static int64_t least_cost(const int32_t *lengths, int64_t start, int64_t rows, int shards)
{
    int64_t low = 1, longest = 1;
    for (int64_t i = start; i < rows; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    int64_t high = (rows - start) * longest;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (fits(lengths, start, rows, shards, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Each shard in turn takes all it can within the least cost that the rest of the rows allow: the dearest shard is as
 * cheap as can be, and so is the dearest of those after it. */
bool heed_shards_cut(const int32_t *lengths, int64_t rows, int shards, int64_t *starts)
{
    if (!lengths || !starts)
        return heed_fail(HEED_BAD_ARGUMENT, "shards_cut: %s is NULL", lengths ? "starts" : "lengths");
    if (shards < 1 || shards > rows)
        return heed_fail(HEED_BAD_ARGUMENT, "shards_cut: %lld rows into %d shards; want 1 to %lld of them",
                         (long long)rows, shards, (long long)rows);
    if (rows > INT32_MAX)
        return heed_fail(HEED_BAD_ARGUMENT, "shards_cut: %lld rows; want at most 2^31 - 1", (long long)rows);
    for (int64_t i = 0; i < rows; i++)
        if (lengths[i] < 0)
            return heed_fail(HEED_BAD_ARGUMENT, "shards_cut: row %lld has length %d", (long long)i, (int)lengths[i]);
    starts[0] = 0;
    for (int i = 0; i < shards; i++) {
        int left = shards - 1 - i;
        int64_t most = least_cost(lengths, starts[i], rows, left + 1);
        starts[i + 1] = take(lengths, starts[i], rows, left, most);
    }
    return true;
}

/* ---- the trainer ------------------------------------------------------------------------------------------------ */
struct heed_trainer {
    heed_params *params;
    heed_trainer_desc desc;
    heed_tape **tapes; /* [desc.threads]; NULL until the worker's first shard */
    heed_arena *arena; /* of the shards' gradients */
    /* Grown to the largest number of shards seen: */
    int shards;
    heed_grads **grads; /* [shards]; NULL until the shard needs one */
    double *losses;     /* [shards] */
    double norm;        /* of what the last step left; 0: not known */
    bool in_place;      /* this step's first shard uses the params' own slab, which was empty */
    bool *untouched;    /* [parameters]: without a gradient in any shard of this step */
};

heed_trainer *heed_trainer_new(heed_params *params, heed_trainer_desc desc)
{
    if (!heed_params_values(params)) /* NULL or not initialised; says so */
        return NULL;
    if (desc.threads < 0) {
        heed_fail(HEED_BAD_ARGUMENT, "trainer: threads is %d, want 0 (all cores) or more", desc.threads);
        return NULL;
    }
    if (desc.threads == 0)
        desc.threads = heed_threads();
    heed_trainer *trainer = memory_get_zeroed(sizeof *trainer);
    if (!trainer)
        return NULL;
    *trainer = (heed_trainer){ .params = params, .desc = desc, .arena = heed_arena_new() };
    trainer->tapes = memory_get_zeroed(desc.threads * (int64_t)sizeof *trainer->tapes);
    trainer->untouched = memory_get_zeroed(heed_params_count(params) * (int64_t)sizeof *trainer->untouched);
    if (!trainer->arena || !trainer->tapes || !trainer->untouched) {
        heed_trainer_free(trainer);
        return NULL;
    }
    return trainer;
}

void heed_trainer_free(heed_trainer *trainer)
{
    if (!trainer)
        return;
    for (int i = 0; trainer->tapes && i < trainer->desc.threads; i++)
        heed_tape_free(trainer->tapes[i]);
    heed_arena_free(trainer->arena);
    memory_put(trainer->tapes);
    memory_put(trainer->untouched);
    memory_put(trainer->grads);
    memory_put(trainer->losses);
    memory_put(trainer);
}

static bool grow(heed_trainer *trainer, int shards)
{
    if (shards <= trainer->shards)
        return true;
    double *losses = memory_grow(trainer->losses, 0, shards * (int64_t)sizeof *losses);
    if (!losses)
        return false;
    trainer->losses = losses;
    heed_grads **grads =
        memory_grow(trainer->grads, trainer->shards * (int64_t)sizeof *grads, shards * (int64_t)sizeof *grads);
    if (!grads)
        return false;
    trainer->grads = grads;
    for (; trainer->shards < shards; trainer->shards++)
        grads[trainer->shards] = NULL;
    return true;
}

static heed_grads *slab_of(const heed_trainer *trainer, int shard)
{
    return shard == 0 && trainer->in_place ? heed_params_grads(trainer->params) : trainer->grads[shard];
}

static bool slabs_ready(heed_trainer *trainer, int shards)
{
    heed_grads *own = heed_params_grads(trainer->params);
    trainer->in_place = *heed_grads_backwards(own) == 0;
    for (int p = 0; p < heed_params_count(trainer->params); p++)
        trainer->in_place &= heed_grads_empty(own)[p];
    for (int i = trainer->in_place; i < shards; i++) {
        int missing = 0; /* side by side */
        while (i + missing < shards && !trainer->grads[i + missing])
            missing++;
        if (missing && !heed_grads_in(trainer->arena, trainer->params, missing, trainer->grads + i))
            return false;
    }
    return true;
}

static bool check_step(const heed_trainer_step_desc *desc)
{
    static const char who[] = "trainer_step";
    if (desc->shards < 1 || !desc->starts || !desc->loss)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: got %d shards, %s starts and %s loss; want all three", who,
                         desc->shards, desc->starts ? "the" : "no", desc->loss ? "a" : "no");
    if (!(desc->divisor > 0) || isinf(desc->divisor))
        return heed_fail(HEED_BAD_ARGUMENT, "%s: divisor is %g, want the whole batch's count", who, desc->divisor);
    if (desc->step < 0 || desc->step > UINT32_MAX)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: step is %lld, want 0 to 2^32 - 1", who, (long long)desc->step);
    for (int i = 0; i < desc->shards; i++)
        if (desc->starts[i] < 0 || desc->starts[i] >= desc->starts[i + 1] || desc->starts[i + 1] > UINT32_MAX)
            return heed_fail(HEED_BAD_ARGUMENT, "%s: shard %d holds rows %lld to %lld; want one or more in order", who,
                             i, (long long)desc->starts[i], (long long)desc->starts[i + 1]);
    return true;
}

/* ---- a shard ---------------------------------------------------------------------------------------------------- */
typedef struct {
    heed_trainer *trainer;
    const heed_trainer_step_desc *desc;
} step_job;

static bool run_shard(int shard, int worker, void *context)
{
    step_job *job = context;
    heed_trainer *trainer = job->trainer;
    const heed_trainer_step_desc *desc = job->desc;
    heed_tape **tape = &trainer->tapes[worker];
    if (!*tape)
        *tape = heed_tape_new((heed_tape_desc){
            .seed = trainer->desc.seed,
            .threads = trainer->desc.threads,
            .check_finite = trainer->desc.check_finite,
            .gemm = trainer->desc.gemm,
        });
    if (!*tape)
        return false;
    heed_tape_reset(*tape);
    heed_tape_place(*tape, (uint32_t)desc->step, (uint32_t)desc->starts[shard]);
    heed_grads_clear(slab_of(trainer, shard));
    heed_grads_bind(*tape, slab_of(trainer, shard));
    heed_var *loss = desc->loss(*tape, shard, desc->context);
    if (!loss || loss->tape != *tape)
        return heed_fail(HEED_BAD_ARGUMENT, "trainer_step: shard %d: the loss function returned %s", shard,
                         loss ? "a loss of another tape" : "NULL");
    double value = heed_item(loss);
    if (heed_error_pending())
        return false;
    if (!isfinite(value))
        return heed_fail(HEED_BAD_STATE, "trainer_step: shard %d: the loss is %g; check_finite names the first op",
                         shard, value);
    trainer->losses[shard] = value;
    return heed_backward(loss);
}

/* ---- the sum of all shards -------------------------------------------------------------------------------------- */
typedef struct {
    const heed_trainer *trainer;
    int shards;
    heed_real factor;
    heed_real *out;
    const bool *empty; /* the params' own: whether out holds anything from before */
} sum_pass;

/* out = (out +) factor (shard 0 + shard 1 + ...), in that order; of very many shards, so many at a time. */
static double sum_piece(slab_piece piece, void *context)
{
    enum { AT_ONCE = 32 };
    const sum_pass *pass = context;
    const heed_real *slabs[AT_ONCE];
    heed_real *out = pass->out + piece.from, beta = pass->trainer->in_place || pass->empty[piece.param] ? 0 : 1;
    int count = 0;
    for (int i = 0; i < pass->shards; i++) {
        heed_grads *grads = slab_of(pass->trainer, i);
        if (!heed_grads_empty(grads)[piece.param])
            slabs[count++] = heed_grads_data(grads) + piece.from;
        if (count == AT_ONCE || (count > 0 && i == pass->shards - 1)) {
            k_add_all(out, beta, pass->factor, slabs, count, piece.count);
            beta = 1;
            count = 0;
        }
    }
    return k_sum_squares(out, piece.count);
}

static bool sum_shards(heed_trainer *trainer, int shards, double divisor)
{
    heed_params *params = trainer->params;
    heed_grads *own = heed_params_grads(params);
    int count = heed_params_count(params);
    uint64_t before = trainer->in_place ? 0 : *heed_grads_backwards(own);
    bool reached = false;
    for (int p = 0; p < count; p++)
        trainer->untouched[p] = true;
    for (int i = 0; i < shards; i++) {
        for (int p = 0; p < count; p++)
            trainer->untouched[p] &= heed_grads_empty(slab_of(trainer, i))[p];
        reached |= *heed_grads_backwards(slab_of(trainer, i)) > 0;
    }
    sum_pass pass = {
        .trainer = trainer,
        .shards = shards,
        .factor = (heed_real)(1 / divisor),
        .out = heed_grads_data(own),
        .empty = heed_grads_empty(own),
    };
    double squares;
    if (!slab_pass(params, trainer->untouched, trainer->desc.threads, sum_piece, &pass, &squares))
        return false;
    for (int p = 0; p < count; p++)
        heed_grads_empty(own)[p] &= trainer->untouched[p];
    *heed_grads_backwards(own) = before + reached;
    if (trainer->in_place && isfinite(squares))
        trainer->norm = sqrt(squares);
    return isfinite(squares) ||
           slab_check_finite(params, "trainer_step", "no gradient is left; check_finite names the first op");
}

/* A large model has few shards, and is spared a second copy of its weights. */
static bool worth_packing(const heed_trainer *trainer, int shards)
{
    return shards >= 4 && trainer->desc.gemm == HEED_GEMM_AUTO;
}

bool heed_trainer_step(heed_trainer *trainer, heed_trainer_step_desc desc, double *loss)
{
    if (!trainer)
        return heed_fail(HEED_BAD_ARGUMENT, "trainer_step: trainer is NULL");
    trainer->norm = 0;
    step_job job = { .trainer = trainer, .desc = &desc };
    bool pack = worth_packing(trainer, desc.shards);
    bool ok = check_step(&desc) && grow(trainer, desc.shards) && slabs_ready(trainer, desc.shards) &&
              (!pack || heed_params_pack(trainer->params, trainer->desc.threads)) &&
              heed_shards_run(desc.shards, trainer->desc.threads, run_shard, &job) &&
              sum_shards(trainer, desc.shards, desc.divisor);
    if (pack)
        heed_params_unpack(trainer->params);
    if (!ok) {
        heed_grads_clear(heed_params_grads(trainer->params));
        return false;
    }
    double sum = 0;
    for (int i = 0; i < desc.shards; i++)
        sum += trainer->losses[i];
    if (loss)
        *loss = sum / desc.divisor;
    return true;
}

double heed_trainer_norm(const heed_trainer *trainer)
{
    return trainer ? trainer->norm : 0;
}
