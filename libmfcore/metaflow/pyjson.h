/*
 * JSON as Python's json.loads() takes it: NaN and Infinity are values, raw
 * control characters in strings are not. Values are views into the text.
 *
 * Threads: pure functions.
 */
#ifndef MF_METAFLOW_PYJSON_H
#define MF_METAFLOW_PYJSON_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/str.h"

/* Python gives up on deeper nesting with an error that is not a JSON one. */
#define MF__PYJSON_DEPTH 900

enum mf__pyjson {
	MF__PYJSON_OK,
	MF__PYJSON_BAD,  /* no JSON */
	MF__PYJSON_DEEP, /* nested deeper than MF__PYJSON_DEPTH */
};

/* Check that `text` is one value and nothing else but white space. */
enum mf__pyjson mf__pyjson_check(struct mf_str text);

/*
 * Step through the members of the object in `text`, which must have passed
 * mf__pyjson_check(): *pos starts at 0. `name` is without quotes, escapes are
 * not resolved. Returns false after the last, and for a value of other type.
 */
bool mf__pyjson_member(struct mf_str text, size_t *pos, struct mf_str *name,
                       struct mf_str *value);

#endif /* MF_METAFLOW_PYJSON_H */
