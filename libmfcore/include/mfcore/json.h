/*
 * JSON over cJSON: the few things it does not do.
 *
 * Text of other processes goes in through these, so every document is valid
 * UTF-8; numbers above 2^53 are written exactly (cJSON keeps doubles).
 *
 * Threads: one document, one thread at a time.
 */
#ifndef MFCORE_JSON_H
#define MFCORE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

/* Add to object `obj`; bytes that are no UTF-8 become U+FFFD. */
void mf_json_str(cJSON *obj, const char *name, struct mf_str value);

/* Add a number exactly, also where a double would round it. */
void mf_json_u64(cJSON *obj, const char *name, uint64_t value);
void mf_json_i64(cJSON *obj, const char *name, int64_t value);

/* Add RFC 3339 with milliseconds; 0 becomes null. */
void mf_json_time(cJSON *obj, const char *name, uint64_t wall_ns);

/* Append to array `arr`. */
void mf_json_push_str(cJSON *arr, struct mf_str value);

/*
 * Parse one document that fills `text` (white space aside).
 *
 * Owns:   *out is the caller's, released with cJSON_Delete().
 * Errors: -ENOMEM; -MF_EFORMAT, not JSON.
 */
MF_MUST_USE int mf_json_parse(struct mf_str text, cJSON **out,
                              struct mf_err *err);

/* A member's string, borrowed from the document; absent when it is none. */
struct mf_str mf_json_get_str(const cJSON *obj, const char *name);

#endif /* MFCORE_JSON_H */
