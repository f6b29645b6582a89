/* What the files of this room share. Not installed. */
#ifndef HEED_TEXT_INTERNAL_H
#define HEED_TEXT_INTERNAL_H

#include "text.h"
#include "../tensor/files.h"

/* U+FFED as UTF-8: at the start of a word it was joined to the word before, at the end to the one after. */
#define TEXT_JOINER       "\xEF\xBF\xAD"
#define TEXT_JOINER_BYTES 3

/* Many small strings, packed one after another; freed all at once (store.c). */
typedef struct {
    heed_arena *arena;
    char *room;
    int64_t left;
} text_store;
bool text_store_open(text_store *store);
void text_store_close(text_store *store);
char *text_store_add(text_store *store, const char *text, int64_t bytes); /* copied, NUL added */

/* Different strings, numbered from 0 as they come (table.c). */
typedef struct {
    const char *text; /* NUL-terminated, in the table's store */
    int64_t bytes, count;
} table_entry;
typedef struct {
    table_entry *entries; /* [room], the first n in use */
    int32_t *slots;       /* [2^k], numbers of entries; -1: free */
    int64_t n, room, n_slots;
    text_store text;
} text_table;
bool table_open(text_table *table);
void table_close(text_table *table);
int64_t table_find(const text_table *table, const char *text, int64_t bytes); /* -1: not there */
int64_t table_add(text_table *table, const char *text, int64_t bytes); /* what there is, or a new one; -1: error */
void table_renumber(text_table *table);                                /* after entries were moved, or n lowered */

/* Pairs of numbers from 0, and a number for each. */
typedef struct {
    int32_t left, right, number;
} pair_slot;
typedef struct {
    pair_slot *slots; /* [2^k]; number -1: free */
    int64_t n, n_slots;
} pair_table;
void pairs_close(pair_table *pairs);
int32_t pairs_find(const pair_table *pairs, int32_t left, int32_t right); /* -1: not there */
bool pairs_add(pair_table *pairs, int32_t left, int32_t right, int32_t number);

/* A file as lines (lines.c). */
typedef struct {
    file_input file;
    const char *what; /* is being read, for messages */
    int64_t offset;   /* of the file's next byte */
    char *block;      /* of which at .. have are still to be cut */
    int64_t at, have;
    char *line; /* the line's first bytes, at most max_bytes; room for a NUL behind them */
    int64_t room, max_bytes;
    int64_t bytes;  /* of the whole line, its end not counted */
    int64_t number; /* of lines so far */
} text_lines;
typedef enum { LINES_FAILED, LINES_LINE, LINES_END } lines_result;
bool lines_open(text_lines *lines, const char *what, const char *path, int64_t max_bytes); /* always lines_close it */
void lines_close(text_lines *lines);
lines_result lines_next(text_lines *lines);
heed_line_kind lines_kind(const text_lines *lines); /* too long, a NUL, not UTF-8, or OK */

/* unicode.c. All but the first expect valid UTF-8. */
int64_t text_invalid_at(const char *text, int64_t bytes); /* offset of the first byte that is not UTF-8; -1: none */
int64_t text_decode(const char *text, int64_t bytes, int32_t *code); /* the first code point; returns its bytes */
bool text_space(int32_t code);                                       /* the property White_Space */
bool text_blank(const char *text, int64_t bytes);                    /* nothing but white space */
bool text_has_space(const char *text, int64_t bytes);
bool text_control(const char *text, int64_t bytes); /* has a control character */
/* Lower case by Unicode's full mapping, final sigma too. Returns the bytes written, at most 3 for every 2. */
int64_t text_lower(const char *text, int64_t bytes, char *out);

typedef struct {
    const char *text;
    int64_t bytes;
} text_span;

/* What BLEU and chrF share (ngrams.c). */
typedef struct {
    int64_t hyp, ref, match; /* match: for every n-gram the lesser of how often it is on the two sides */
} ngram_counts;
/* counts[i] of the n-grams of order i + 1. units: those of the hypothesis, then those of the reference. */
bool ngrams_match(const int32_t *units, int64_t n_hyp, int64_t n_ref, int orders, ngram_counts *counts);
bool ngrams_number(const text_span *words, int64_t n, int32_t *units); /* equal words get equal numbers */
typedef struct {
    char *text; /* in memory of its own */
    int64_t bytes;
} score_text;
bool score_side(const char *who, const char *name, const char *text, bool lower, score_text *out); /* a checked copy */
bool score_space(int32_t code); /* white space as Python's str.split sees it: the separators 1C to 1F too */
int64_t score_words(const char *text, int64_t bytes, text_span *words); /* at most `bytes`; returns how many */
bool tokenise_13a(score_text *side);                                    /* in place of the text (tokenise_13a.c) */

/* Canonically composed (NFC), in memory of its own; text with more than 30 combining marks in a row stays as it is. */
char *text_composed(const char *text, int64_t bytes);

bool words_split(const char *line, heed_text_desc text, heed_words *out); /* words.c */
/* words.c, for valid UTF-8. */
int64_t words_count(const char *text, int64_t bytes); /* as many as heed_words_split gives */
/* The word without its join marks; a joiner that belongs to the text stays doubled, as in the word. */
typedef struct {
    const char *text;
    int64_t bytes;
    bool before, after; /* joined to the word before, after */
} words_body;
words_body words_unmarked(const char *word, int64_t bytes);

/* Subwords (bpe.c, bpe_learn.c, bpe_text.c). */
#define BPE_MARK "@@"
enum { BPE_LONGEST = 500, BPE_SYMBOL = 4 * BPE_LONGEST + 4 }; /* characters of a word; bytes of a symbol with "</w>" */
typedef struct {
    int32_t left, right, made;
} bpe_merge;
struct heed_bpe {
    text_table symbols; /* an entry's count is 1 + the number of the merge that first made it, or 0 */
    bpe_merge *merges;  /* [room], the first n in use */
    int64_t n, room;
    pair_table ranks; /* of (left, right): the merge */
};
typedef struct {
    int32_t symbol; /* -1: a character that no merge has */
    int32_t at;     /* where in the word it starts */
} bpe_piece;
typedef struct {
    double p;
    heed_rng rng;
    uint64_t draws;
} bpe_dropper;
heed_bpe *bpe_new(void);
heed_bpe *bpe_learn(const text_table *words, int64_t merges, int64_t fewest);
/* The symbols of a word's characters, the first BPE_LONGEST of them in units; returns how many it has, -1: error. */
int64_t bpe_characters(heed_bpe *bpe, const char *word, int64_t bytes, int32_t *units);
int64_t bpe_joined(heed_bpe *bpe, int32_t left, int32_t right);    /* the symbol of both; -1: error */
bool bpe_add_merge(heed_bpe *bpe, int32_t left, int32_t right);    /* of a pair that is not there yet */
const bpe_merge *bpe_made_by(const heed_bpe *bpe, int32_t symbol); /* the first merge that makes it, or NULL */
/* The pieces of a word [bytes + 1]; returns how many. dropper may be NULL. */
int64_t bpe_cut(const heed_bpe *bpe, const char *word, int64_t bytes, bpe_dropper *dropper, bpe_piece *pieces);

/* A piece as a vocabulary has it, with BPE_MARK if its word goes on, in out [bytes + 2]; returns its bytes. */
int64_t bpe_piece_text(const char *text, int64_t bytes, bool goes_on, char *out);

struct heed_vocab {   /* vocab.c, vocab_json.c */
    text_table words; /* or pieces; frozen, in the order of the ids */
    heed_text_desc text;
    heed_bpe *bpe; /* NULL: of words */
    bool frozen;
};
bool vocab_check(const heed_vocab *vocab, bool frozen, const char *who);

#endif
