/* A small parser for context-free grammars written as lines of text: finds every derivation.
 *
 *     static const char *const rules[] = { "S -> NP VP .", "NP -> Det N", ..., NULL };
 *
 * A symbol without rules is a category if it begins with a capital: `readings` says in how many ways a word is of that
 * category, and every way becomes a node. Otherwise it is the word itself. `build` is told of every new node, may write
 * its marks from its children's and may refuse it. No rule may be left-recursive. */
#ifndef TOY_CFG_H
#define TOY_CFG_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CFG_RULES = 96, CFG_LENGTH = 7, CFG_SYMBOLS = 72, CFG_WORDS = 60, CFG_NODES = 40000, CFG_MARKS = 12 };

typedef struct {
    int symbol, rule; /* rule -1: a word */
    int to;           /* the words from its start to this one, exclusive */
    int children[CFG_LENGTH], count;
    int next; /* of the same symbol and start, -1: none */
    int16_t marks[CFG_MARKS];
} cfg_node;

typedef struct cfg {
    int left[CFG_RULES], right[CFG_RULES][CFG_LENGTH], lengths[CFG_RULES], rules;
    char symbols[CFG_SYMBOLS][16];
    bool derived[CFG_SYMBOLS]; /* has rules */
    int symbol_count;
    int (*readings)(const char *category, const char *word);
    bool (*build)(struct cfg *cfg, int node, int from);
    const char *words[CFG_WORDS];
    int word_count;
    cfg_node *nodes;
    int node_count;
    int first[CFG_SYMBOLS][CFG_WORDS + 1]; /* node lists; -2: not tried yet */
    bool overflow;
} cfg;

static int cfg_symbol(cfg *g, const char *name)
{
    for (int i = 0; i < g->symbol_count; i++)
        if (!strcmp(g->symbols[i], name))
            return i;
    if (g->symbol_count == CFG_SYMBOLS || strlen(name) >= sizeof g->symbols[0])
        abort();
    strcpy(g->symbols[g->symbol_count], name);
    return g->symbol_count++;
}

static void cfg_add(cfg *g, const char *rule)
{
    char line[128], *rest = line;
    snprintf(line, sizeof line, "%s", rule);
    int r = g->rules++;
    if (g->rules > CFG_RULES)
        abort();
    for (char *word; (word = strtok_r(rest, " ", &rest));) {
        if (!strcmp(word, "->"))
            continue;
        int symbol = cfg_symbol(g, word);
        if (word == line)
            g->left[r] = symbol;
        else
            g->right[r][g->lengths[r]++] = symbol;
    }
    g->derived[g->left[r]] = true;
}

static cfg *cfg_new(const char *const *rules, int (*readings)(const char *, const char *),
                    bool (*build)(cfg *, int, int))
{
    cfg *g = calloc(1, sizeof *g);
    g->nodes = calloc(CFG_NODES, sizeof *g->nodes);
    g->readings = readings;
    g->build = build;
    for (; *rules; rules++)
        cfg_add(g, *rules);
    return g;
}

static void cfg_free(cfg *g)
{
    free(g->nodes);
    free(g);
}

static void cfg_keep(cfg *g, const cfg_node *node, int from)
{
    if (g->node_count == CFG_NODES) {
        g->overflow = true;
        return;
    }
    int index = g->node_count++;
    g->nodes[index] = *node;
    if (!g->build(g, index, from)) {
        g->node_count--;
        return;
    }
    g->nodes[index].next = g->first[node->symbol][from];
    g->first[node->symbol][from] = index;
}

static int cfg_derive(cfg *g, int symbol, int from);

/* The rest of a rule from its child number `node->count` on. */
static void cfg_match(cfg *g, cfg_node *node, int from, int at)
{
    if (node->count == g->lengths[node->rule]) {
        node->to = at;
        cfg_keep(g, node, from);
        return;
    }
    int symbol = g->right[node->rule][node->count];
    for (int child = cfg_derive(g, symbol, at); child >= 0; child = g->nodes[child].next) {
        node->children[node->count++] = child;
        cfg_match(g, node, from, g->nodes[child].to);
        node->count--;
    }
}

/* The list of everything that this symbol derives from there on. */
static int cfg_derive(cfg *g, int symbol, int from)
{
    if (g->first[symbol][from] != -2)
        return g->first[symbol][from];
    g->first[symbol][from] = -1;
    if (g->derived[symbol]) {
        for (int r = 0; r < g->rules; r++)
            if (g->left[r] == symbol) {
                cfg_node node = { .symbol = symbol, .rule = r };
                cfg_match(g, &node, from, from);
            }
    } else if (from < g->word_count) {
        const char *name = g->symbols[symbol];
        bool category = isupper((unsigned char)name[0]);
        int ways = category ? g->readings(name, g->words[from]) : !strcmp(name, g->words[from]);
        for (int way = 0; way < ways; way++) {
            cfg_node node = { .symbol = symbol, .rule = -1, .to = from + 1 };
            node.marks[0] = (int16_t)way;
            cfg_keep(g, &node, from);
        }
    }
    return g->first[symbol][from];
}

/* Derivations of the whole line from the first rule's symbol; `found` (may be NULL) gets the last one's node. */
static int cfg_parse(cfg *g, const char *const *words, int count, int *found)
{
    int derivations = 0;
    if (count >= CFG_WORDS)
        return 0;
    memcpy(g->words, words, (size_t)count * sizeof *words);
    g->word_count = count;
    g->node_count = 0;
    for (int s = 0; s < g->symbol_count; s++)
        for (int i = 0; i <= count; i++)
            g->first[s][i] = -2;
    for (int node = cfg_derive(g, g->left[0], 0); node >= 0; node = g->nodes[node].next)
        if (g->nodes[node].to == count) {
            derivations++;
            if (found)
                *found = node;
        }
    return g->overflow ? -1 : derivations;
}

static const char *cfg_name(const cfg *g, int node)
{
    return g->symbols[g->nodes[node].symbol];
}

static int16_t *cfg_marks(const cfg *g, int node)
{
    return g->nodes[node].marks;
}

#endif
