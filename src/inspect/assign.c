/* Who goes with whom: the assignment of rows to columns of the least total cost (Kuhn 1955; here by shortest augmenting
 * paths over prices, Jonker and Volgenant 1987). O(n^3).
 *
 * Rows and columns have prices with row + column <= cost, and = where they are paired. A row is paired by a walk from it
 * over what is cheapest beyond the prices to a column that is free; the prices follow, and the pairs along the walk move
 * on by one. */
#include "internal.h"

#include <math.h>

/* Column n is where a walk begins. Of equally cheap columns a free one is taken, so that equal rows keep their order. */
typedef struct {
    const double *cost;                 /* [n, n] */
    int64_t n, *row_of, *from;          /* [n + 1]; row_of -1: free. from: the column before on the walk */
    double *row_price, *price, *beyond; /* [n], [n + 1], [n]: the least cost beyond prices to come there */
    bool *seen;                         /* [n + 1] */
} pairing;

static int64_t step(pairing *p, int64_t at)
{
    int64_t row = p->row_of[at], next = -1;
    p->seen[at] = true;
    for (int64_t j = 0; j < p->n; j++) {
        double over = p->cost[row * p->n + j] - p->row_price[row] - p->price[j];
        if (p->seen[j])
            continue;
        if (over < p->beyond[j]) {
            p->beyond[j] = over;
            p->from[j] = at;
        }
        if (next < 0 || p->beyond[j] < p->beyond[next] ||
            (p->beyond[j] <= p->beyond[next] && p->row_of[j] < 0 && p->row_of[next] >= 0))
            next = j;
    }
    double least = p->beyond[next];
    for (int64_t j = 0; j <= p->n; j++)
        if (p->seen[j]) {
            p->row_price[p->row_of[j]] += least;
            p->price[j] -= least;
        } else {
            p->beyond[j] -= least;
        }
    return next;
}

static void pair_row(pairing *p, int64_t row)
{
    int64_t at = p->n;
    p->row_of[at] = row;
    for (int64_t j = 0; j <= p->n; j++) {
        p->seen[j] = false;
        if (j < p->n)
            p->beyond[j] = (double)INFINITY;
    }
    while (p->row_of[at] >= 0)
        at = step(p, at);
    for (; at != p->n; at = p->from[at])
        p->row_of[at] = p->row_of[p->from[at]];
}

bool assign(heed_arena *arena, const double *cost, int64_t n, int64_t *column_of)
{
    pairing p = { .cost = cost, .n = n };
    p.row_of = heed_arena_alloc(arena, 2 * (n + 1) * (int64_t)sizeof *p.row_of);
    p.row_price = heed_arena_alloc(arena, (3 * n + 1) * (int64_t)sizeof *p.row_price);
    p.seen = heed_arena_alloc(arena, (n + 1) * (int64_t)sizeof *p.seen);
    if (!p.row_of || !p.row_price || !p.seen)
        return false;
    p.from = p.row_of + n + 1;
    p.price = p.row_price + n;
    p.beyond = p.price + n + 1;
    for (int64_t j = 0; j <= n; j++) {
        p.row_of[j] = -1;
        p.price[j] = 0;
    }
    for (int64_t row = 0; row < n; row++) {
        p.row_price[row] = 0;
        pair_row(&p, row);
    }
    for (int64_t j = 0; j < n; j++)
        column_of[p.row_of[j]] = j;
    return true;
}
