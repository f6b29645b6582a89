/* Randomness: Philox4x32-10 (Salmon et al., SC 2011), and what is made of its bits.
 *
 * The key is a mix of seed and stream. The counter is (index / 4 low, index / 4 high, row, step); each counter gives
 * four words, and word index % 4 is draw number `index`. A uniform takes two words; a pair of normals takes the two
 * uniforms of an even index and the next. */
#include "internal.h"
#include "kernels.h"

#include <tgmath.h>

static const double two_pi = 6.28318530717958647692;

/* Ten rounds; (hi, lo) are the halves of the product of a word with the round's multiplier:
 *     (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),   k <- k + W */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void rng_key(heed_rng rng, uint32_t key[2])
{
    uint64_t mixed = mix(mix(rng.seed + 0x9E3779B97F4A7C15u) ^ rng.stream);
    key[0] = (uint32_t)mixed;
    key[1] = (uint32_t)(mixed >> 32);
}

static void block_at(uint32_t out[4], heed_rng rng, uint64_t block)
{
    uint32_t key[2], counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), rng.row, rng.step };
    rng_key(rng, key);
    rng_philox(out, counter, key);
}

uint64_t heed_rng_stream(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        hash = (hash ^ *s) * 0x100000001B3u;
    return hash;
}

uint32_t heed_rng_bits(heed_rng rng, uint64_t index)
{
    uint32_t words[4];
    block_at(words, rng, index / 4);
    return words[index % 4];
}

static double uniform_of(uint32_t high, uint32_t low)
{
    return ((high >> 5) * 67108864.0 + (low >> 6)) / 9007199254740992.0; /* 27 and 26 bits, over 2^53 */
}

/* A draw of 64 bits; index must be below 2^63. */
static void pair_at(uint32_t pair[2], heed_rng rng, uint64_t index)
{
    uint32_t words[4];
    block_at(words, rng, index / 2);
    pair[0] = words[index % 2 * 2];
    pair[1] = words[index % 2 * 2 + 1];
}

double heed_rng_uniform(heed_rng rng, uint64_t index)
{
    uint32_t pair[2];
    pair_at(pair, rng, index);
    return uniform_of(pair[0], pair[1]);
}

/* Box and Muller, "A note on the generation of random normal deviates", 1958: the even index of a pair takes the
 * cosine, the odd one the sine. */
static double normal_of(double u, double v, bool odd)
{
    double radius = sqrt(-2 * log(1 - u));
    return radius * (odd ? sin(two_pi * v) : cos(two_pi * v));
}

double heed_rng_normal(heed_rng rng, uint64_t index)
{
    uint32_t words[4];
    block_at(words, rng, index / 2);
    return normal_of(uniform_of(words[0], words[1]), uniform_of(words[2], words[3]), index % 2);
}

uint64_t heed_rng_below(heed_rng rng, uint64_t index, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    uint32_t pair[2];
    pair_at(pair, rng, index);
    return (uint64_t)((wide)((uint64_t)pair[0] << 32 | pair[1]) * n >> 64);
}

void heed_rng_shuffle(heed_rng rng, int32_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t j = heed_rng_below(rng, (uint64_t)i, (uint64_t)i + 1);
        int32_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

/* ---- tensors of random numbers: the element at row-major position i is draw i ------------------------------------ */

typedef enum { UNIFORM, NORMAL, BERNOULLI } distribution;

typedef struct {
    heed_rng rng;
    distribution kind;
    double a, b; /* low and high, mean and deviation, or p */
} draws;

/* u and v are uniforms `index` and `index` ^ 1. */
static heed_real draw_of(const draws *d, double u, double v, int64_t index)
{
    if (d->kind == BERNOULLI)
        return u < d->a;
    if (d->kind == NORMAL)
        return (heed_real)(d->a + d->b * (index % 2 ? normal_of(v, u, true) : normal_of(u, v, false)));
    heed_real low = (heed_real)d->a, high = (heed_real)d->b, x = (heed_real)(d->a + (d->b - d->a) * u);
    return x < high || low == high ? x : nextafter(high, low); /* rounding must not reach high */
}

static bool draw_row(heed_real *row, int64_t stride, int64_t n, int64_t position, void *arg)
{
    enum { CHUNK = 256 };
    const draws *d = arg;
    uint32_t words[2 * CHUNK];
    int64_t end = position + n;
    for (int64_t from = position - position % 2; from < end; from += CHUNK) {
        int64_t count = end - from < CHUNK ? (end - from + 1) / 2 * 2 : CHUNK; /* whole pairs */
        double u[CHUNK];
        k_random_bits(words, d->rng, 2 * (uint64_t)from, 2 * count);
        for (int64_t i = 0; i < count; i++)
            u[i] = uniform_of(words[2 * i], words[2 * i + 1]);
        for (int64_t i = 0; i < count; i++)
            if (from + i >= position && from + i < end)
                row[(from + i - position) * stride] = draw_of(d, u[i], u[i ^ 1], i);
    }
    return true;
}

static bool draw(heed_tensor t, draws d, const char *op)
{
    return tensor_writable(t, op) && tensor_rows(t, draw_row, &d);
}

bool heed_tensor_uniform(heed_tensor t, heed_rng rng, double low, double high)
{
    if (!isfinite(low) || !isfinite(high - low) || low > high)
        return heed_fail(HEED_BAD_ARGUMENT, "tensor_uniform: from %g to %g; expected finite bounds in order", low,
                         high);
    return draw(t, (draws){ .rng = rng, .kind = UNIFORM, .a = low, .b = high }, "tensor_uniform");
}

bool heed_tensor_normal(heed_tensor t, heed_rng rng, double mean, double deviation)
{
    if (!isfinite(mean) || !isfinite(deviation) || deviation < 0)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "tensor_normal: mean %g, deviation %g; expected finite numbers, deviation >= 0", mean,
                         deviation);
    return draw(t, (draws){ .rng = rng, .kind = NORMAL, .a = mean, .b = deviation }, "tensor_normal");
}

bool heed_tensor_bernoulli(heed_tensor t, heed_rng rng, double p)
{
    if (!(p >= 0 && p <= 1))
        return heed_fail(HEED_BAD_ARGUMENT, "tensor_bernoulli: probability %g; expected 0 to 1", p);
    return draw(t, (draws){ .rng = rng, .kind = BERNOULLI, .a = p }, "tensor_bernoulli");
}
