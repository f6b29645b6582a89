/* heed/text: words.
 *
 *     heed_vocab *vocab = heed_vocab_for((heed_text_desc){ .compose = true });
 *     heed_stream *pairs = heed_stream_open_tsv("pairs.tsv", (heed_corpus_desc){ 0 });
 *     for (heed_pair pair; heed_stream_next(pairs, &pair) == 1;)
 *         if (!heed_vocab_count(vocab, pair.source) || !heed_vocab_count(vocab, pair.target)) die(...);
 *     if (!heed_vocab_freeze(vocab, (heed_vocab_desc){ .bpe.merges = 10000 })) die(...);    // without .bpe: words
 *     int64_t unknown, n = heed_vocab_encode(vocab, "The cat sleeps.", ids, 64, &unknown);
 *     char *line = heed_vocab_decode(vocab, ids, n);                                        // "The cat sleeps."
 *
 * Rules
 *   - Text is UTF-8, one sentence a line. Words are cut at white space, punctuation at a word's ends becomes words of its
 *     own, marked with U+FFED where it was joined, so that joining them again gives the line back (rules: words.c).
 *   - Words may be cut further, into subwords by byte-pair encoding (bpe.c); a vocabulary does both ways by itself.
 *   - Ids 0..3 are <pad> <bos> <eos> <unk>. They are never found by text: a literal "<pad>" is text like any other.
 *   - A bad line is reported with its number (that of sed -n) and reason, counted, and skipped or refused.
 *   - A frozen vocabulary, and merges, may be used by several threads at once.
 */
#ifndef HEED_TEXT_H
#define HEED_TEXT_H

#include "../tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lines of a file (lines.c) --------------------------------------------------------------------------------- */
typedef struct heed_lines heed_lines;
/* A line ends at LF; CR LF is one end; a byte order mark at the start is dropped. Not a regular file: an error. */
HEED_CHECKED heed_lines *heed_lines_open(const char *path);
/* The next line, without its end, until the next call. NULL at the end of the file, and on an error (heed_error_pending),
 * which a NUL and invalid UTF-8 are. */
HEED_API const char *heed_lines_next(heed_lines *lines);
HEED_API int64_t heed_lines_number(const heed_lines *lines); /* of lines read, so of the last one, from 1 */
HEED_API void heed_lines_close(heed_lines *lines);           /* NULL is allowed */

/* ---- corpora (corpus.c) ---------------------------------------------------------------------------------------- */
typedef enum {
    HEED_LINE_OK,
    HEED_LINE_ENCODING, /* not UTF-8 */
    HEED_LINE_NUL,      /* a NUL byte */
    HEED_LINE_COLUMNS,  /* not exactly two columns */
    HEED_LINE_EMPTY,    /* an empty side, or nothing but spaces */
    HEED_LINE_LONG,     /* more words than max_words, or bytes than max_bytes */
    HEED_LINE_KINDS
} heed_line_kind;
HEED_API const char *heed_line_reason(heed_line_kind kind); /* "not valid UTF-8", ... */

typedef struct {
    const char *source, *target;
    int64_t line; /* in its file, from 1 */
} heed_pair;
typedef struct {
    heed_pair *pairs;
    int64_t count;
    int64_t lines;                  /* read */
    int64_t kinds[HEED_LINE_KINDS]; /* how many lines of each kind */
} heed_corpus;
typedef struct {
    bool strict;       /* the first bad line is an error */
    int64_t max_words; /* on either side; 0: 1000 */
    int64_t max_bytes; /* of a line; 0: 1 MiB */
    /* Told of each skipped line; NULL: nobody. */
    void (*on_bad)(int64_t line, heed_line_kind kind, void *context);
    void *context;
} heed_corpus_desc;
/* source TAB target a line, or two files that match line by line. */
HEED_CHECKED heed_corpus *heed_corpus_read_tsv(const char *path, heed_corpus_desc desc);
HEED_CHECKED heed_corpus *heed_corpus_read_parallel(const char *source, const char *target, heed_corpus_desc desc);
HEED_CHECKED heed_corpus *heed_corpus_new(void);
HEED_CHECKED bool heed_corpus_add(heed_corpus *corpus, const char *source, const char *target); /* copied */
HEED_API void heed_corpus_free(heed_corpus *corpus);                                            /* NULL is allowed */

/* The same, one pair at a time, for files larger than memory. */
typedef struct {
    int64_t lines, kinds[HEED_LINE_KINDS]; /* so far */
} heed_stream;
HEED_CHECKED heed_stream *heed_stream_open_tsv(const char *path, heed_corpus_desc desc);
HEED_CHECKED heed_stream *heed_stream_open_parallel(const char *source, const char *target, heed_corpus_desc desc);
/* 1: a pair, whose text is there until the next call; 0: the end; -1: an error. */
HEED_API int heed_stream_next(heed_stream *stream, heed_pair *pair);
HEED_API void heed_stream_close(heed_stream *stream); /* NULL is allowed */

/* ---- words (words.c) ------------------------------------------------------------------------------------------- */
HEED_API bool heed_utf8_valid(const char *text, int64_t bytes); /* unicode.c */
/* The words of a line, each NUL-terminated, one after another in one buffer that the caller frees with
 * heed_words_free. */
typedef struct {
    char *buffer;
    const char **words;
    int64_t count;
} heed_words;
HEED_CHECKED bool heed_words_split(const char *line, heed_words *out);
HEED_API void heed_words_free(heed_words *words);
/* The line again. Returned memory is freed with heed_text_free. */
HEED_CHECKED char *heed_words_join(const char *const *words, int64_t count);
HEED_API void heed_text_free(char *text);

/* What is done with a line before it is cut into words. */
typedef struct {
    bool spaced;  /* words are what stands between white space: text that is tokenised already */
    bool compose; /* canonical composition (NFC) */
    bool lower;   /* lower case */
} heed_text_desc;

/* ---- vocabularies (vocab.c) ------------------------------------------------------------------------------------ */
enum { HEED_PAD, HEED_BOS, HEED_EOS, HEED_UNK, HEED_SPECIALS };
typedef struct heed_vocab heed_vocab;
typedef struct {
    int64_t merges;    /* how many to learn */
    int64_t min_count; /* a pair rarer than this is not merged; 0: 2 */
} heed_bpe_desc;
typedef struct {
    int64_t max_size;  /* 0: no limit; specials included */
    int64_t min_count; /* 0: 1 */
    heed_bpe_desc bpe; /* merges 0: words have ids; otherwise merges are learned from the counts, and subwords have */
} heed_vocab_desc;
HEED_CHECKED heed_vocab *heed_vocab_new(void);
HEED_CHECKED heed_vocab *heed_vocab_for(heed_text_desc text); /* lines are treated so, here and later */
HEED_API void heed_vocab_free(heed_vocab *vocab);             /* NULL is allowed */
/* Counts a line's words, before freezing. One with a control character has no place in a vocabulary. For a vocabulary of
 * both languages count the lines of both. */
HEED_CHECKED bool heed_vocab_count(heed_vocab *vocab, const char *line);
HEED_CHECKED bool heed_vocab_freeze(heed_vocab *vocab, heed_vocab_desc desc); /* by falling count, then by bytes */
HEED_API int32_t heed_vocab_size(const heed_vocab *vocab); /* specials included; before freezing there are no others */
HEED_API const char *heed_vocab_word(const heed_vocab *vocab, int32_t id); /* "<pad>" ... for specials; NULL outside */
HEED_API int32_t heed_vocab_id(const heed_vocab *vocab, const char *word); /* HEED_UNK if unknown */
/* Ids of the line's words, without <bos> and <eos>; returns how many (-1: error; more than room is one). A word not known
 * as it stands is tried with other join marks or none, then in lower case; a subword is taken apart into those it was
 * merged from. unknown (may be NULL) is set to how many are HEED_UNK all the same. */
HEED_API int64_t heed_vocab_encode(const heed_vocab *vocab, const char *line, int32_t *ids, int64_t room,
                                   int64_t *unknown);
/* The line of these ids; <pad>, <bos> and <eos> are left out. heed_text_free. */
HEED_CHECKED char *heed_vocab_decode(const heed_vocab *vocab, const int32_t *ids, int64_t count);
/* All there is to know, for a checkpoint: [["word", count], ...] by id, or an object with that and the other settings.
 * The reader refuses what no vocabulary can hold, by name. heed_text_free. */
HEED_CHECKED char *heed_vocab_to_json(const heed_vocab *vocab);
HEED_CHECKED heed_vocab *heed_vocab_from_json(const char *json);

/* ---- subwords (bpe.c) ------------------------------------------------------------------------------------------
 * Byte-pair encoding as by subword-nmt, for those who want it without a vocabulary. Cut, "lower" is "low@@ er". */
typedef struct heed_bpe heed_bpe;
typedef struct {
    double p;     /* each possible merge is passed over with this probability */
    heed_rng rng; /* its step and row say which line in which epoch */
} heed_bpe_dropout;
HEED_CHECKED heed_bpe *heed_bpe_learn(const heed_vocab *words, heed_bpe_desc desc); /* from its counts */
HEED_API void heed_bpe_free(heed_bpe *bpe);                                         /* NULL is allowed */
HEED_API int64_t heed_bpe_merges(const heed_bpe *bpe);       /* fewer than asked for if pairs ran out */
HEED_CHECKED char *heed_bpe_to_text(const heed_bpe *bpe);    /* a codes file of subword-nmt; heed_text_free */
HEED_CHECKED heed_bpe *heed_bpe_from_text(const char *text); /* says which line is wrong */
/* The line with its words, as they stand between white space, cut; and whole again. dropout may be NULL. heed_text_free. */
HEED_CHECKED char *heed_bpe_split(const heed_bpe *bpe, const char *line, const heed_bpe_dropout *dropout);
HEED_CHECKED char *heed_bpe_join(const char *line);
HEED_API const heed_bpe *heed_vocab_bpe(const heed_vocab *vocab); /* of a vocabulary of subwords; NULL of others */
/* heed_vocab_encode with dropout, which a vocabulary of words ignores. */
HEED_API int64_t heed_vocab_encode_with(const heed_vocab *vocab, const char *line, const heed_bpe_dropout *dropout,
                                        int32_t *ids, int64_t room, int64_t *unknown);

/* ---- batches (batch.c) -------------------------------------------------------------------------------------------
 * Encoded pairs, and batches of near-equal length in an order that is a function of (seed, epoch). */
typedef struct heed_dataset heed_dataset;
typedef struct {
    const int32_t *src, *tgt; /* without specials */
    int32_t src_length, tgt_length;
} heed_example;
HEED_CHECKED heed_dataset *heed_dataset_new(void);
HEED_API void heed_dataset_free(heed_dataset *data); /* NULL is allowed */
HEED_CHECKED bool heed_dataset_add(heed_dataset *data, const int32_t *src, int64_t src_length, const int32_t *tgt,
                                   int64_t tgt_length); /* copied */
HEED_API int64_t heed_dataset_count(const heed_dataset *data);
HEED_API heed_example heed_dataset_at(const heed_dataset *data, int64_t i); /* its arrays hold until the next add */

typedef struct {
    int64_t rows;        /* sentences a batch; 0: no limit */
    int64_t max_tokens;  /* padded tokens a batch, rows x (src_length + tgt_length) of heed_batch; 0: no limit. A single
                          * sentence over it is a batch of its own. */
    int64_t side_tokens; /* the same for rows x the longer of both, which is the --max-tokens of fairseq */
    uint64_t seed;
    bool in_order; /* batches of neighbours, in the order added, every epoch the same (evaluation) */
} heed_batches_desc;
typedef struct heed_batches heed_batches;
/* data must outlive the batches and not grow. */
HEED_CHECKED heed_batches *heed_batches_new(const heed_dataset *data, heed_batches_desc desc);
HEED_API void heed_batches_free(heed_batches *batches);                     /* NULL is allowed */
HEED_CHECKED bool heed_batches_epoch(heed_batches *batches, int64_t epoch); /* cuts that epoch's batches */
HEED_API int64_t heed_batches_count(const heed_batches *batches);
/* The i-th batch: row numbers of the data set, longest sentence first. NULL and an error if there is no such batch. */
HEED_API const int32_t *heed_batches_rows(const heed_batches *batches, int64_t i, int64_t *count);

/* Padded arrays for some rows, in that order, as the Transformer takes them. */
typedef struct {
    int64_t rows, src_length, tgt_length; /* tgt_length counts <bos> or <eos> */
    int32_t *src;                         /* [rows, src_length], with <eos>, padded with <pad> */
    int32_t *src_lengths;                 /* [rows] */
    int32_t *tgt_in;                      /* [rows, tgt_length], <bos> first */
    int32_t *tgt_out;                     /* [rows, tgt_length], <eos> last: what row i of the logits should say */
    int64_t tokens;                       /* of tgt_out that are not <pad> */
} heed_batch;
HEED_CHECKED bool heed_batch_make(const heed_dataset *data, const int32_t *rows, int64_t count, heed_arena *arena,
                                  heed_batch *out);

/* ---- scores (bleu.c, chrf.c) -------------------------------------------------------------------------------------
 * Of translations against one reference each, the numbers of sacrebleu:
 *
 *     heed_bleu bleu = { .desc = { .lower = true } };
 *     ... heed_bleu_add(&bleu, hypothesis, reference) for every segment ...
 *     heed_score_buffer signature;
 *     printf("BLEU %.2f %s", heed_bleu_score(&bleu).score, heed_bleu_signature(&bleu, &signature));
 */
typedef enum { HEED_BLEU_13A, HEED_BLEU_SPACED /* tokenised already */ } heed_bleu_words;
typedef enum { HEED_SMOOTH_EXP, HEED_SMOOTH_FLOOR, HEED_SMOOTH_ADD_K, HEED_SMOOTH_NONE } heed_bleu_smoothing;
enum { HEED_BLEU_ORDERS = 4, HEED_CHRF_ORDERS = 8 };
typedef struct {
    heed_bleu_words words;
    bool lower;
    heed_bleu_smoothing smoothing;
    double smoothing_value; /* 0: 0.1 for floor, 1 for add-k */
    bool effective_order;   /* orders without n-grams do not count: for single sentences */
} heed_bleu_desc;
typedef struct { /* the sums so far */
    heed_bleu_desc desc;
    int64_t segments, hypothesis_length, reference_length; /* lengths in words */
    int64_t matches[HEED_BLEU_ORDERS], ngrams[HEED_BLEU_ORDERS];
} heed_bleu;
typedef struct {
    double score; /* 0 to 100 */
    double precision[HEED_BLEU_ORDERS], brevity_penalty;
} heed_bleu_result;
typedef struct {
    char text[128];
} heed_score_buffer;
HEED_CHECKED bool heed_bleu_add(heed_bleu *bleu, const char *hypothesis, const char *reference);
HEED_API heed_bleu_result heed_bleu_score(const heed_bleu *bleu);
HEED_API const char *heed_bleu_signature(const heed_bleu *bleu, heed_score_buffer *room); /* returns room's text */

typedef struct {
    int word_order; /* 0: chrF; 2: chrF++ */
    bool lower;
} heed_chrf_desc;
typedef struct { /* the sums so far: n-grams of characters 1 to 6, then of words */
    heed_chrf_desc desc;
    int64_t segments;
    int64_t hypothesis[HEED_CHRF_ORDERS], reference[HEED_CHRF_ORDERS], matches[HEED_CHRF_ORDERS];
} heed_chrf;
HEED_CHECKED bool heed_chrf_add(heed_chrf *chrf, const char *hypothesis, const char *reference);
HEED_API double heed_chrf_score(const heed_chrf *chrf); /* 0 to 100 */
HEED_API const char *heed_chrf_signature(const heed_chrf *chrf, heed_score_buffer *room);

#ifdef __cplusplus
}
#endif
#endif
