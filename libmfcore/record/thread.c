/*
 * Threads: their beginning and their end, however they come to it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "record/record.h"

struct start {
	void *(*fn)(void *);
	void *arg;
};

static pthread_key_t at_end;
static bool has_key;

static void record_end(void *arg)
{
	struct mf_record rec;

	(void)arg;
	if (mf__begin(&rec, MF_EV_THREAD_END, 0))
		mf_record_end(&rec);
	mf__scratch_drop();
	mf_lane_retire(mf__lane(), &mf__recorder.writer);
}

void mf__threads_start(void)
{
	has_key = pthread_key_create(&at_end, record_end) == 0;
}

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;
	struct mf_record rec;

	free(arg);
	if (has_key)
		pthread_setspecific(at_end, &at_end);
	if (mf__begin(&rec, MF_EV_THREAD_START, 0))
		mf_record_end(&rec);
	return start.fn(start.arg);
}

MF__EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                              void *(*fn)(void *), void *arg)
{
	struct start *start;
	int rc;

	if (!mf__recorder.is_on)
		return MF__REAL(pthread_create)(thread, attr, fn, arg);
	if (mf__recorder.hooks_python)
		mf__python_look();
	start = malloc(sizeof(*start));
	if (!start)
		return MF__REAL(pthread_create)(thread, attr, fn, arg);
	start->fn = fn;
	start->arg = arg;
	rc = MF__REAL(pthread_create)(thread, attr, run, start);
	if (rc != 0)
		free(start);
	return rc;
}
