/* Subwords by byte-pair encoding (Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
 * Units", ACL 2016), cut as subword-nmt cuts them.
 *
 * A word starts as its characters, the last one with "</w>" behind it. Of all neighbours the pair that was learned first
 * is merged wherever it stands, from left to right, until no pair is left. A subword is its text, so two ways to merge
 * "abc" give the same one. A cut word is written with "@@" behind every piece but the last: "low@@ er".
 *
 * With dropout (Provilkov, Emelianenko and Voita, "BPE-Dropout", ACL 2020) each pair is passed over with probability p,
 * anew each time the next merge is looked for.
 *
 * Two things differ from subword-nmt, for text it was not made for. A word longer than LONGEST characters is cut into
 * stretches of so many first, so that time stays linear. A last piece that ends in "@@" loses its last "@" to a piece of
 * its own, so that joining gives every line back.
 */
#include <string.h>

#include "internal.h"
#include "../tensor/internal.h"

enum { LONGEST = BPE_LONGEST, NONE = INT32_MAX };
#define END       "</w>"
#define END_BYTES 4

heed_bpe *bpe_new(void)
{
    heed_bpe *bpe = memory_get_zeroed(sizeof(*bpe));
    if (bpe && !table_open(&bpe->symbols)) {
        memory_put(bpe);
        return NULL;
    }
    return bpe;
}

void heed_bpe_free(heed_bpe *bpe)
{
    if (!bpe)
        return;
    table_close(&bpe->symbols);
    pairs_close(&bpe->ranks);
    memory_put(bpe->merges);
    memory_put(bpe);
}

int64_t heed_bpe_merges(const heed_bpe *bpe)
{
    return bpe ? bpe->n : 0;
}

/* ---- symbols and merges ------------------------------------------------------------------------------------------ */

/* The text in room, with END behind it if it ends a word; returns its bytes. */
static int64_t symbol_text(const char *text, int64_t bytes, bool last, char room[BPE_SYMBOL])
{
    memcpy(room, text, (size_t)bytes);
    memcpy(room + bytes, END, last ? END_BYTES : 0);
    return bytes + (last ? END_BYTES : 0);
}

static int32_t find_symbol(const heed_bpe *bpe, const char *text, int64_t bytes, bool last)
{
    char room[BPE_SYMBOL];
    return (int32_t)table_find(&bpe->symbols, room, symbol_text(text, bytes, last, room));
}

int64_t bpe_characters(heed_bpe *bpe, const char *word, int64_t bytes, int32_t *units)
{
    int64_t n = 0;
    for (int64_t at = 0; at < bytes; n++) {
        int32_t code;
        int64_t step = text_decode(word + at, bytes - at, &code);
        at += step;
        if (n >= LONGEST)
            continue;
        char room[BPE_SYMBOL];
        int64_t symbol = table_add(&bpe->symbols, room, symbol_text(word + at - step, step, at == bytes, room));
        if (symbol < 0)
            return -1;
        units[n] = (int32_t)symbol;
    }
    return n;
}

int64_t bpe_joined(heed_bpe *bpe, int32_t left, int32_t right)
{
    const table_entry *l = &bpe->symbols.entries[left], *r = &bpe->symbols.entries[right];
    char room[BPE_SYMBOL];
    if (l->bytes + r->bytes > BPE_SYMBOL) {
        heed_fail(HEED_BAD_FORMAT, "bpe: a subword of more than %d characters", LONGEST);
        return -1;
    }
    memcpy(room, l->text, (size_t)l->bytes);
    memcpy(room + l->bytes, r->text, (size_t)r->bytes);
    return table_add(&bpe->symbols, room, l->bytes + r->bytes);
}

bool bpe_add_merge(heed_bpe *bpe, int32_t left, int32_t right)
{
    if (bpe->n == bpe->room) {
        int64_t room = bpe->room ? 2 * bpe->room : 256, size = (int64_t)sizeof(bpe_merge);
        bpe_merge *merges = memory_grow(bpe->merges, bpe->n * size, room * size);
        if (!merges)
            return false;
        bpe->merges = merges;
        bpe->room = room;
    }
    int64_t made = bpe_joined(bpe, left, right);
    if (made < 0 || !pairs_add(&bpe->ranks, left, right, (int32_t)bpe->n))
        return false;
    if (bpe->symbols.entries[made].count == 0)
        bpe->symbols.entries[made].count = bpe->n + 1;
    bpe->merges[bpe->n++] = (bpe_merge){ left, right, (int32_t)made };
    return true;
}

const bpe_merge *bpe_made_by(const heed_bpe *bpe, int32_t symbol)
{
    int64_t merge = symbol < 0 ? 0 : bpe->symbols.entries[symbol].count;
    return merge > 0 ? &bpe->merges[merge - 1] : NULL;
}

/* ---- cutting a word ---------------------------------------------------------------------------------------------- */

static int32_t rank_of(const heed_bpe *bpe, const bpe_piece *pieces)
{
    if (pieces[0].symbol < 0 || pieces[1].symbol < 0)
        return NONE;
    int32_t rank = pairs_find(&bpe->ranks, pieces[0].symbol, pieces[1].symbol);
    return rank < 0 ? NONE : rank;
}

/* Of ranks [n], those not passed over, in live. */
static void pass_over(const int32_t *ranks, int64_t n, bpe_dropper *dropper, int32_t *live)
{
    for (int64_t i = 0; i < n; i++) {
        bool passed = ranks[i] != NONE && heed_rng_uniform(dropper->rng, dropper->draws++) < dropper->p;
        live[i] = passed ? NONE : ranks[i];
    }
}

/* Merges pieces [n] where live ranks are the best one; returns how many are left. Ranks are kept up to date. */
static int64_t merge_best(const heed_bpe *bpe, bpe_piece *pieces, int64_t n, int32_t *ranks, const int32_t *live,
                          int32_t best)
{
    enum { UNKNOWN = -1 };
    int64_t kept = 0;
    for (int64_t i = 0; i < n; kept++) {
        bool merged = i + 1 < n && live[i] == best;
        pieces[kept] = pieces[i];
        if (merged)
            pieces[kept].symbol = bpe->merges[best].made;
        if (merged && kept > 0)
            ranks[kept - 1] = UNKNOWN;
        ranks[kept] = merged ? UNKNOWN : i + 1 < n ? ranks[i] : NONE;
        i += merged ? 2 : 1;
    }
    for (int64_t i = 0; i + 1 < kept; i++)
        if (ranks[i] == UNKNOWN)
            ranks[i] = rank_of(bpe, pieces + i);
    return kept;
}

/* Merges characters [n], at most LONGEST, to pieces. */
static int64_t merge_all(const heed_bpe *bpe, bpe_piece *pieces, int64_t n, bpe_dropper *dropper)
{
    int32_t ranks[LONGEST], passed[LONGEST];
    for (int64_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of(bpe, pieces + i);
    while (n > 1) {
        const int32_t *live = ranks;
        int32_t best = NONE;
        if (dropper)
            pass_over(ranks, n - 1, dropper, passed), live = passed;
        for (int64_t i = 0; i + 1 < n; i++)
            best = live[i] < best ? live[i] : best;
        if (best == NONE)
            break;
        n = merge_best(bpe, pieces, n, ranks, live, best);
    }
    return n;
}

int64_t bpe_cut(const heed_bpe *bpe, const char *word, int64_t bytes, bpe_dropper *dropper, bpe_piece *pieces)
{
    int64_t n = 0, at = 0;
    while (at < bytes) {
        int64_t from = n;
        for (; at < bytes && n - from < LONGEST; n++) {
            int32_t code;
            int64_t step = text_decode(word + at, bytes - at, &code);
            pieces[n] = (bpe_piece){ find_symbol(bpe, word + at, step, at + step == bytes), (int32_t)at };
            at += step;
        }
        n = from + merge_all(bpe, pieces + from, n - from, dropper);
    }
    if (n > 0 && bytes - pieces[n - 1].at >= 2 && memcmp(word + bytes - 2, BPE_MARK, 2) == 0) {
        int32_t start = pieces[n - 1].at;
        pieces[n - 1].symbol = find_symbol(bpe, word + start, bytes - 1 - start, false);
        pieces[n++] = (bpe_piece){ find_symbol(bpe, "@", 1, true), (int32_t)bytes - 1 };
    }
    return n;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* The next word of a line from *at on, cut at white space; bytes is 0 at the end. */
static text_span next_word(const char *line, int64_t bytes, int64_t *at)
{
    int64_t start = -1, from = *at;
    while (from < bytes) {
        int32_t code;
        int64_t step = text_decode(line + from, bytes - from, &code);
        bool space = text_space(code);
        if (space && start >= 0)
            break;
        if (!space && start < 0)
            start = from;
        from += step;
    }
    *at = from;
    return start < 0 ? (text_span){ line, 0 } : (text_span){ line + start, from - start };
}

static bool check_line(const char *who, const char *line, int64_t *bytes)
{
    if (!line)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: line is NULL", who);
    *bytes = (int64_t)strlen(line);
    int64_t bad = text_invalid_at(line, *bytes);
    if (bad >= 0)
        return heed_fail(HEED_BAD_FORMAT, "%s: byte %lld of the line is not valid UTF-8", who, (long long)bad);
    return *bytes < INT32_MAX / 8 ||
           heed_fail(HEED_BAD_SHAPE, "%s: a line of %lld bytes is too long", who, (long long)*bytes);
}

int64_t bpe_piece_text(const char *text, int64_t bytes, bool goes_on, char *out)
{
    memcpy(out, text, (size_t)bytes);
    memcpy(out + bytes, BPE_MARK, goes_on ? 2 : 0);
    return bytes + (goes_on ? 2 : 0);
}

/* Writes the pieces of a word with marks and spaces; returns the bytes. */
static int64_t put_pieces(char *out, text_span word, const bpe_piece *pieces, int64_t n)
{
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t end = i + 1 < n ? pieces[i + 1].at : word.bytes;
        if (i > 0)
            out[at++] = ' ';
        at += bpe_piece_text(word.text + pieces[i].at, end - pieces[i].at, i + 1 < n, out + at);
    }
    return at;
}

char *heed_bpe_split(const heed_bpe *bpe, const char *line, const heed_bpe_dropout *dropout)
{
    int64_t bytes = 0;
    if (!bpe) {
        heed_fail(HEED_BAD_ARGUMENT, "bpe_split: bpe is NULL");
        return NULL;
    }
    if (!check_line("bpe_split", line, &bytes))
        return NULL;
    bpe_dropper dropper = { 0 }, *dropping = dropout && dropout->p > 0 ? &dropper : NULL;
    if (dropping)
        dropper = (bpe_dropper){ dropout->p, dropout->rng, 0 };
    char *out = memory_get(4 * bytes + 1); /* a byte, "@@" and a space */
    bpe_piece *pieces = out ? memory_get((bytes + 1) * (int64_t)sizeof(*pieces)) : NULL;
    int64_t n = 0, at = 0;
    for (text_span word; pieces && (word = next_word(line, bytes, &at)).bytes > 0;) {
        if (n > 0)
            out[n++] = ' ';
        n += put_pieces(out + n, word, pieces, bpe_cut(bpe, word.text, word.bytes, dropping, pieces));
    }
    if (pieces)
        out[n] = 0;
    else
        memory_put(out);
    memory_put(pieces);
    return pieces ? out : NULL;
}

char *heed_bpe_join(const char *line)
{
    int64_t bytes = 0;
    if (!check_line("bpe_join", line, &bytes))
        return NULL;
    char *out = memory_get(bytes + 1);
    int64_t n = 0, at = 0;
    bool open = true; /* nothing, or a piece that goes on, stands before */
    for (text_span word; out && (word = next_word(line, bytes, &at)).bytes > 0;) {
        if (!open)
            out[n++] = ' ';
        open = word.bytes >= 2 && memcmp(word.text + word.bytes - 2, BPE_MARK, 2) == 0;
        memcpy(out + n, word.text, (size_t)word.bytes);
        n += word.bytes - (open ? 2 : 0);
    }
    if (out)
        out[n] = 0;
    return out;
}
