/*
 * What every fuzz target of a parser of foreign text asserts.
 */
#ifndef MFTEST_FUZZ_INSIDE_H
#define MFTEST_FUZZ_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mfcore/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* End the program, so that the fuzzer keeps the input. */
static inline void must(bool is_true)
{
	if (!is_true)
		abort();
}

/* A borrowed string is absent or lies in what it was borrowed from. */
static inline void must_lie_in(struct mf_str part, struct mf_str whole)
{
	must(part.len == 0 || (part.ptr >= whole.ptr &&
	                       part.ptr + part.len <= whole.ptr + whole.len));
}

#endif /* MFTEST_FUZZ_INSIDE_H */
