/*
 * Inside an interpreter: put ourselves in front of a few methods of the
 * standard library.
 *
 * There is no Python code of ours, no import by us and no audit hook: one
 * would make CPython copy the code of every module it loads, a percent of an
 * import of Metaflow. Instead we look whether the modules are there at the
 * calls of libc that must come before a method is first used: a thread before
 * Thread, a fork or the end of a spawned child's instructions before a
 * process, the socket pair of an event loop before its tasks.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

#include "record/python.h"
#include "record/record.h"

struct mf__py_api mf__py_api;

/* A method to wrap. */
struct hook {
	const char *module;
	const char *class;
	const char *method;
	mf__py_handler *handler;
};

enum {
	HOOK_THREAD,
	HOOK_PROCESS,
	HOOK_TASK,
	HOOK_HANDLE,
	HOOK_COUNT
};

static const struct hook hooks[HOOK_COUNT] = {
	[HOOK_THREAD] = {.module = "threading",
                         .class = "Thread",
                         .method = "_set_native_id",
                         .handler = mf__py_on_native_id},
	[HOOK_PROCESS] = {.module = "multiprocessing.process",
                          .class = "BaseProcess",
                          .method = "_bootstrap",
                          .handler = mf__py_on_bootstrap},
	[HOOK_TASK] = {.module = "asyncio.base_events",
                       .class = "BaseEventLoop",
                       .method = "create_task",
                       .handler = mf__py_on_create_task},
	[HOOK_HANDLE] = {.module = "asyncio.events",
                         .class = "Handle",
                         .method = "_run",
                         .handler = mf__py_on_handle_run},
};

static uint32_t done; /* bits by hook: wrapped, or cannot be */
static bool has_api;
static bool is_refused;  /* an interpreter we do not know well enough */
static bool is_watching; /* its end */

static bool load_api(void)
{
	static const struct {
		const char *name;
		size_t at;
		bool is_needed;
	} names[] = {
#define MF__PY_FN(need, ret, name, args)                                       \
	{#name, offsetof(struct mf__py_api, name), need},
#include "record/python.def"
	};

	if (has_api || is_refused)
		return has_api;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *fn = dlsym(RTLD_DEFAULT, names[i].name);

		memcpy((char *)&mf__py_api + names[i].at, &fn, sizeof(fn));
		is_refused |= names[i].is_needed && !fn;
	}
	mf__py_api.none = dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
	mf__py_api.function_type = dlsym(RTLD_DEFAULT, "PyFunction_Type");
	if (!PY(PyThreadState_GetUnchecked))
		PY(PyThreadState_GetUnchecked) =
			PY(_PyThreadState_UncheckedGet);
	if (!PY(PyInterpreterState_Get))
		PY(PyInterpreterState_Get) = PY(_PyInterpreterState_Get);
	is_refused |= !PY(none) || !PY(function_type) ||
	              !PY(PyThreadState_GetUnchecked) ||
	              !PY(PyInterpreterState_Get);
	has_api = !is_refused;
	if (is_refused)
		mf__note(
			"python: an interpreter without the functions we need");
	return has_api;
}

/*
 * Whether this thread holds the GIL of the main interpreter, and it is up.
 * PyGILState_Check() is not enough: it says yes to everybody once there was a
 * second interpreter.
 */
static bool may_act(void)
{
	void *state;

	if (!has_api || !PY(Py_IsInitialized)())
		return false;
	state = PY(PyGILState_GetThisThreadState)();
	return state && state == PY(PyThreadState_GetUnchecked)() &&
	       PY(PyInterpreterState_Get)() == PY(PyInterpreterState_Main)();
}

/* Returns whether the hook needs no further looking at. */
static bool try_hook(const struct hook *hook)
{
	struct mf__py *class = mf__py_module_attr(hook->module, hook->class);
	struct mf__py *method;

	if (!class)
		return false;
	method = mf__py_attr(class, hook->method);
	if (!method) { /* not defined yet, or no longer in this version */
		mf__py_drop(class);
		return false;
	}
	if (!mf__py_wrap(class, hook->method, hook->handler))
		mf__note("python: a method could not be wrapped");
	mf__py_drop(method);
	mf__py_drop(class);
	return true;
}

/* Wrap what can be wrapped of these; may_act(). */
static void try_hooks(uint32_t bits)
{
	struct mf__py_error saved;

	mf__py_save(&saved);
	if (!mf__py_can_wrap()) {
		mf__note(
			"python: an unknown build, its objects are left alone");
		is_refused = true;
		done = ~0u;
	} else {
		for (uint32_t i = 0; i < HOOK_COUNT; i++) {
			if ((bits >> i & 1) && try_hook(&hooks[i]))
				done |= 1u << i;
		}
	}
	mf__py_restore(&saved);
}

/*
 * The interpreter is gone, and its objects with it; another one started later
 * in this process is left alone.
 */
static void on_end(void)
{
	has_api = false;
	is_refused = true;
	mf__py_async_forget();
}

void mf__python_look(void)
{
	uint32_t missing = ~done & ((1u << HOOK_COUNT) - 1);

	if (!missing || !may_act())
		return;
	if (!is_watching) {
		is_watching = PY(Py_AtExit)(on_end) == 0;
		if (!is_watching) {
			mf__note("python: its end could not be watched");
			is_refused = true;
			has_api = false;
			return;
		}
	}
	try_hooks(missing);
}

static void say_python(void)
{
	const char *version = PY(Py_GetVersion)();
	size_t len = strlen(version);
	struct mf_record rec;

	if (!mf__begin(&rec, MF_EV_PYTHON, MF_FIELD_BYTES(len)))
		return;
	mf_record_bytes(&rec, MF_F_VERSION, version, len);
	mf_record_end(&rec);
}

/*
 * Look while Python has let go of the GIL, as it does around most calls of
 * libc, unless what is wanted was seen already.
 */
static void look_with_gil(uint32_t wanted)
{
	int had;

	if (!(wanted & ~done) || !has_api || !PY(Py_IsInitialized)() ||
	    !PY(PyGILState_GetThisThreadState)())
		return;
	had = PY(PyGILState_Ensure)();
	mf__python_look();
	PY(PyGILState_Release)(had);
}

/*
 * A spawned child of multiprocessing closes the file it has read its orders
 * from and then carries them out.
 */
void mf__python_close(void)
{
	look_with_gil(1u << HOOK_PROCESS);
}

void mf__python_fork(void)
{
	struct mf__py_error saved;

	if (!may_act())
		return;
	mf__py_save(&saved);
	mf__py_on_fork();
	mf__py_restore(&saved);
	mf__python_look();
}

void mf__python_start(void)
{
	/* since 3.8, like all the rest that we need */
	if (!dlsym(RTLD_DEFAULT, "PySys_AddAuditHook") || !load_api())
		return;
	say_python();
}

/* An event loop makes one before it has any task. */
MF__EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	look_with_gil(1u << HOOK_TASK | 1u << HOOK_HANDLE);
	return MF__REAL(socketpair)(domain, type, protocol, fds);
}
