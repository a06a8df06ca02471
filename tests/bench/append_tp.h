/* The tracepoint bench_append.c compares with; macros of LTTng, not our style. */
#pragma GCC system_header

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER mf_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "bench/append_tp.h"

#if !defined(MFTEST_APPEND_TP_H) ||                                            \
	defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define MFTEST_APPEND_TP_H

#include <stddef.h>
#include <stdint.h>

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(
	mf_bench, append,
	LTTNG_UST_TP_ARGS(const uint8_t *, bytes, size_t, len),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_sequence(uint8_t, data, bytes,
                                                     size_t, len)))

#endif

#include <lttng/tracepoint-event.h>
