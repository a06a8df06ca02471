/*
 * A borrowed run of bytes.
 *
 * A mf_str never owns what it points to and need not end in NUL; whoever hands
 * one out says how long it stays valid. Two of them are equal when their bytes
 * are; {NULL, 0} is the absent string and equals the empty one.
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_STR_H
#define MFCORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mf_str {
	const char *ptr;
	size_t len;
};

/* A string literal, or a char array, as a mf_str. */
#define MF_STR(literal) ((struct mf_str){(literal), sizeof(literal) - 1})

/* A NUL-ended string as a mf_str; NULL gives the absent one. */
struct mf_str mf_str(const char *s);

bool mf_str_eq(struct mf_str a, struct mf_str b);
bool mf_str_is(struct mf_str a, const char *s);
bool mf_str_starts(struct mf_str a, const char *prefix);
bool mf_str_ends(struct mf_str a, const char *suffix);

/* `a` from byte `from` on; empty when `from` is past its end. */
struct mf_str mf_str_from(struct mf_str a, size_t from);

/* Offset of the first `c`, or a.len. */
size_t mf_str_find(struct mf_str a, char c);

/* Offset of the first `needle`, or a.len. */
size_t mf_str_search(struct mf_str a, struct mf_str needle);

/*
 * Cut `rest` at the first `c`: returns what stands before, leaves what stands
 * behind in *rest. Without a `c` returns all and leaves the absent string.
 */
struct mf_str mf_str_cut(struct mf_str *rest, char c);

/* What stands behind the last '/'. */
struct mf_str mf_str_basename(struct mf_str path);

/*
 * Parse the whole of `a` as a decimal number. Returns false, *out untouched,
 * when it is empty, has another character, or does not fit.
 */
bool mf_str_u64(struct mf_str a, uint64_t *out);

#endif /* MFCORE_STR_H */
