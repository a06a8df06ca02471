/*
 * What Python knows of threads, multiprocessing children and forks.
 */
#include <string.h>
#include <sys/syscall.h>

#include "mfcore/multicore.h"
#include "record/python.h"
#include "record/record.h"

static void record_runner(enum mf_event_type type, struct mf__py *runner,
                          uint64_t tid, const char *module, const char *class)
{
	struct mf__py *base = mf__py_module_attr(module, class);
	struct mf__py_text name = {0};
	struct mf__py_text function = {0};
	struct mf_record rec;

	mf__py_put_attr(&name, runner, "_name");
	mf__py_name_runner(&function, runner, base);
	mf__py_drop(base);
	if (!mf__begin(&rec, type,
	               MF_FIELD_U64 + MF_FIELD_BYTES(name.len) +
	                       MF_FIELD_BYTES(function.len)))
		return;
	if (tid)
		mf_record_u64(&rec, MF_F_TID, tid);
	mf_record_bytes(&rec, MF_F_NAME, name.bytes, name.len);
	mf_record_bytes(&rec, MF_F_FUNCTION, function.bytes, function.len);
	mf_record_end(&rec);
}

/*
 * A thread calls it on itself as one of the first things it does, in every
 * version. So does a forked child for what is its main thread now.
 */
struct mf__py *mf__py_on_native_id(const struct mf__py_call *call)
{
	struct mf__py *result = mf__py_call_inner(call);
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	if (result && mf__py_nargs(call) && tid != mf__true_pid())
		record_runner(MF_EV_THREAD_NAME, call->args[0], tid,
		              "threading", "Thread");
	return result;
}

struct mf__py *mf__py_on_bootstrap(const struct mf__py_call *call)
{
	if (mf__py_nargs(call))
		record_runner(MF_EV_MP_CHILD, call->args[0], 0,
		              "multiprocessing.process", "BaseProcess");
	return mf__py_call_inner(call);
}

/* A frame's code or its caller; through the API, an attribute is audited. */
static struct mf__py *code_of(struct mf__py *frame)
{
	return PY(PyFrame_GetCode) ? PY(PyFrame_GetCode)(frame)
	                           : mf__py_attr(frame, "f_code");
}

static struct mf__py *caller_of(struct mf__py *frame)
{
	struct mf__py *back;

	if (PY(PyFrame_GetBack))
		return PY(PyFrame_GetBack)(frame);
	back = mf__py_attr(frame, "f_back");
	if (back != PY(none))
		return back;
	mf__py_drop(back);
	return NULL;
}

static void put_module(struct mf__py_text *text, struct mf__py *frame)
{
	struct mf__py *globals = mf__py_attr(frame, "f_globals");
	struct mf__py *name =
		globals ? PY(PyDict_GetItemString)(globals, "__name__") : NULL;

	text->len = 0;
	if (name)
		mf__py_put_str(text, name);
	mf__py_drop(globals);
}

static void put_function(struct mf__py_text *text, struct mf__py *frame)
{
	struct mf__py *code = code_of(frame);

	put_module(text, frame);
	mf__py_put(text, ".", 1);
	if (code && !mf__py_put_attr(text, code, "co_qualname"))
		mf__py_put_attr(text, code, "co_name");
	mf__py_drop(code);
}

static bool is_text(const struct mf__py_text *text, const char *word)
{
	return strlen(word) == text->len &&
	       memcmp(text->bytes, word, text->len) == 0;
}

/* Replace *frame by its caller; false at the outermost. */
static bool step_out(struct mf__py **frame)
{
	struct mf__py *caller = caller_of(*frame);

	if (!caller)
		return false;
	mf__py_drop(*frame);
	*frame = caller;
	return true;
}

/*
 * In metaflow.multicore_utils the outermost function says what it is for:
 * parallel_map or parallel_imap_unordered; it has what the child runs in `func`.
 */
static void leave_multicore(struct mf__py **frame, struct mf__py_text *child)
{
	struct mf__py_text module = {0};
	struct mf__py *caller;
	struct mf__py *locals;
	struct mf__py *func;

	while ((caller = caller_of(*frame))) {
		put_module(&module, caller);
		if (!is_text(&module, MF_MULTICORE_MODULE))
			break;
		mf__py_drop(*frame);
		*frame = caller;
	}
	mf__py_drop(caller);
	locals = mf__py_attr(*frame, "f_locals");
	func = locals ? PY(PyDict_GetItemString)(locals, "func") : NULL;
	if (func)
		mf__py_name_callable(child, func);
	mf__py_drop(locals);
}

void mf__py_on_fork(void)
{
	struct mf__py *frame = PY(PyEval_GetFrame)(); /* borrowed */
	struct mf__py_text module = {0};
	struct mf__py_text function = {0};
	struct mf__py_text child = {0};

	if (!frame)
		return;
	PY(Py_IncRef)(frame);
	do {
		put_module(&module, frame);
	} while ((is_text(&module, "os") || is_text(&module, "pty")) &&
	         step_out(&frame));
	if (is_text(&module, "subprocess")) { /* an exec follows */
		mf__py_drop(frame);
		return;
	}
	if (is_text(&module, MF_MULTICORE_MODULE))
		leave_multicore(&frame, &child);
	put_function(&function, frame);
	PY(PyErr_Clear)();
	mf__py_drop(frame);
	mf__fork_from((struct mf_str){function.bytes, function.len},
	              (struct mf_str){child.bytes, child.len});
}
