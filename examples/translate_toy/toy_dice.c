/* Dice that never throw the same sentence twice.
 *
 * A split of N sentences should not repeat itself, sentence n should be a function of n alone, and short sentences are
 * few, so drawing them independently would repeat many. Arithmetic decoding does it: [0, 2^63) is cut at every choice
 * in proportion to the weights, so every derivation owns an interval as wide as its probability, and a number x in that
 * interval decodes to it. [0, 2^63) is also cut into 2^bits equal cells. Sentence n owns cells of its own (through a
 * keyed permutation) and decodes a number from one. It keeps the derivation only if the interval's lower end lies in
 * the same cell: exactly one cell contains it, so a derivation is kept by at most one sentence. Frequent derivations,
 * whose interval covers many cells, are thereby held to one occurrence; for all others the test nearly always passes.
 *
 * Once the interval is small against a cell the number is used up and further choices come from a SplitMix64 stream.
 * (Witten, Neal, Cleary: Arithmetic coding for data compression, 1987; Steele, Lea, Flood: Fast splittable pseudorandom
 * number generators, 2014.) */
#include "toy_tree.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t toy_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* A permutation of [0, 2^bits): each step can be undone. */
static uint64_t permute(uint64_t value, uint64_t key, int bits)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (uint64_t round = 1; round <= 4; round++) {
        uint64_t word = toy_mix(key + round * GOLDEN);
        value = (value + (word >> 20)) & mask;
        value = (value * (word | 1)) & mask;
        value ^= value >> (bits / 2);
    }
    return value;
}

void toy_dice_throw(toy_dice *dice, uint64_t key, uint64_t cell, int bits)
{
    int cell_bits = 63 - bits;
    uint64_t noise = toy_mix(key ^ toy_mix(cell * GOLDEN + 1));
    dice->start = permute(cell, key, bits) << cell_bits | (noise & ((UINT64_C(1) << cell_bits) - 1));
    dice->offset = dice->start;
    dice->range = UINT64_C(1) << 63;
    dice->stream = noise;
    dice->cell_bits = cell_bits;
    dice->spent = false;
}

/* A number below total; the interval is not yet narrowed. */
static uint64_t peek(toy_dice *dice, uint64_t total)
{
    dice->spent = dice->spent || dice->range >> 20 < total;
    if (dice->spent) {
        dice->stream += GOLDEN;
        return (toy_mix(dice->stream) >> 32) * total >> 32;
    }
    uint64_t slot = dice->offset / (dice->range / total);
    return slot < total ? slot : total - 1;
}

/* Narrows the interval to [low, low + width) of total; the last part takes what division left over. */
static void narrow(toy_dice *dice, uint64_t low, uint64_t width, uint64_t total)
{
    if (dice->spent)
        return;
    uint64_t unit = dice->range / total;
    dice->offset -= low * unit;
    dice->range = low + width == total ? dice->range - low * unit : width * unit;
}

int toy_dice_choose(toy_dice *dice, const int *weights, int count)
{
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += (uint64_t)weights[i];
    if (!total)
        return -1;
    uint64_t slot = peek(dice, total), low = 0;
    int i = 0;
    while (slot >= low + (uint64_t)weights[i])
        low += (uint64_t)weights[i++];
    narrow(dice, low, (uint64_t)weights[i], total);
    return i;
}

int toy_dice_below(toy_dice *dice, int count)
{
    uint64_t slot = peek(dice, (uint64_t)count);
    narrow(dice, slot, 1, (uint64_t)count);
    return (int)slot;
}

bool toy_dice_chance(toy_dice *dice, int percent)
{
    int weights[2] = { 100 - percent, percent };
    return toy_dice_choose(dice, weights, 2) == 1;
}

bool toy_dice_first(const toy_dice *dice)
{
    uint64_t low = dice->start - dice->offset;
    return low >> dice->cell_bits == dice->start >> dice->cell_bits;
}
