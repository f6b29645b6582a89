/* What the files of this room share. Not installed. */
#ifndef HEED_TEXT_INTERNAL_H
#define HEED_TEXT_INTERNAL_H

#include "text.h"

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

/* words.c. All but the first expect valid UTF-8. */
int64_t text_invalid_at(const char *text, int64_t bytes); /* offset of the first byte that is not UTF-8; -1: none */
bool text_blank(const char *text, int64_t bytes);         /* nothing but white space */
int64_t words_count(const char *text, int64_t bytes);     /* as many as heed_words_split gives */
/* The word without its join marks; a joiner that belongs to the text stays doubled, as in the word. */
typedef struct {
    const char *text;
    int64_t bytes;
    bool before, after; /* joined to the word before, after */
} words_body;
words_body words_unmarked(const char *word, int64_t bytes);

#endif
