/*
 * Inside an interpreter: learn from its audit events when a module we know was
 * imported, and put ourselves in front of a few methods of it.
 *
 * The audit hook is registered before the interpreter starts and sees every
 * event, so what is not ours must cost next to nothing: one byte of its name
 * is compared. There is no Python code of ours and no import by us.
 *
 * An import event comes before the module is there. A bit then stays set until
 * the class we want has been defined, and is looked at on every later event
 * and before a thread is made; those come in time, because each module raises
 * further events after defining its class and before anybody can use it.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "record/python.h"
#include "record/record.h"

struct mf__py_api mf__py_api;

/* A method to wrap. Imports of `root` or below announce `module`. */
struct hook {
	const char *root;
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
	[HOOK_THREAD] = {.root = "threading",
                         .module = "threading",
                         .class = "Thread",
                         .method = "_set_native_id",
                         .handler = mf__py_on_native_id},
	[HOOK_PROCESS] = {.root = "multiprocessing",
                          .module = "multiprocessing.process",
                          .class = "BaseProcess",
                          .method = "_bootstrap",
                          .handler = mf__py_on_bootstrap},
	[HOOK_TASK] = {.root = "asyncio",
                       .module = "asyncio.base_events",
                       .class = "BaseEventLoop",
                       .method = "create_task",
                       .handler = mf__py_on_create_task},
	[HOOK_HANDLE] = {.root = "asyncio",
                         .module = "asyncio.events",
                         .class = "Handle",
                         .method = "_run",
                         .handler = mf__py_on_handle_run},
};

/* Events a module may take from its import to its class; then it failed. */
#define PATIENCE 20000u

static _Atomic uint32_t pending; /* bits by hook: imported, not wrapped yet */
static uint32_t done;            /* wrapped, or cannot be */
static uint32_t looks;           /* since a bit was set */
static bool has_api;
static bool is_refused; /* an interpreter we do not know well enough */
static bool has_said_python;

/* The interpreter's own record of our hook, and who allocated it. */
static struct {
	struct mf__py_allocator then; /* when it was allocated */
	struct mf__py_allocator now;  /* when it is freed */
	void *block;
} entry;

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

static void look(void)
{
	uint32_t bits;

	if (!may_act())
		return;
	/* what we do may raise audit events itself */
	bits = atomic_exchange_explicit(&pending, 0, memory_order_relaxed);
	try_hooks(bits);
	if (++looks < PATIENCE)
		atomic_fetch_or_explicit(&pending, bits & ~done,
		                         memory_order_relaxed);
}

/*
 * Look for one that no import event may have told of: there is none when
 * importlib.import_module() imports.
 */
static void look_for(uint32_t i)
{
	if (!(done & 1u << i) && may_act())
		try_hooks(1u << i);
}

static void want(uint32_t bits)
{
	bits &= ~done;
	if (!bits)
		return;
	looks = 0;
	atomic_fetch_or_explicit(&pending, bits, memory_order_relaxed);
}

static void on_import(struct mf__py *args)
{
	struct mf__py *name;
	const char *text;

	if (done == (1u << HOOK_COUNT) - 1 || !load_api())
		return;
	name = PY(PyTuple_GetItem)(args, 0);
	text = name ? PY(PyUnicode_AsUTF8AndSize)(name, NULL) : NULL;
	if (!text) {
		PY(PyErr_Clear)();
		return;
	}
	for (uint32_t i = 0; i < HOOK_COUNT; i++) {
		size_t len;

		if (text[0] != hooks[i].root[0])
			continue;
		len = strlen(hooks[i].root);
		if (strncmp(text, hooks[i].root, len) == 0 &&
		    (text[len] == '\0' || text[len] == '.'))
			want(1u << i);
	}
}

static void say_python(void)
{
	const char *version = PY(Py_GetVersion)();
	struct mf__py *about = PY(PySys_GetObject)("implementation");
	struct mf__py_text kind = {0};
	struct mf_record rec;
	size_t len = strlen(version);

	if (about)
		mf__py_put_attr(&kind, about, "name");
	if (!mf__begin(&rec, MF_EV_PYTHON,
	               MF_FIELD_BYTES(len) + MF_FIELD_BYTES(kind.len)))
		return;
	mf_record_bytes(&rec, MF_F_VERSION, version, len);
	mf_record_bytes(&rec, MF_F_TEXT, kind.bytes, kind.len);
	mf_record_end(&rec);
}

/* The interpreter is ready and runs the program next. */
static void on_run(void)
{
	struct mf__py_error saved;

	if (has_said_python || !load_api() || !may_act())
		return;
	has_said_python = true;
	mf__py_save(&saved);
	say_python();
	mf__py_restore(&saved);
}

static void on_fork(void)
{
	struct mf__py_error saved;

	if (!load_api() || !may_act())
		return;
	mf__py_save(&saved);
	mf__py_on_fork();
	mf__py_restore(&saved);
	look_for(HOOK_PROCESS);
}

static void *malloc_noting(void *ctx, size_t n)
{
	void *block = entry.then.malloc(ctx, n);

	if (n == 3 * sizeof(void *))
		entry.block = block;
	return block;
}

static void free_as_allocated(void *ctx, void *ptr)
{
	if (!ptr || ptr != entry.block) {
		entry.now.free(ctx, ptr);
		return;
	}
	PY(PyMem_SetAllocator)(0, &entry.now);
	entry.then.free(entry.then.ctx, ptr);
	entry.block = NULL;
}

/*
 * The hooks are about to be freed, by the allocator of now. Where that is not
 * the one of then (python -X dev, PYTHONMALLOC=debug) it would abort the
 * process, so have it stand aside for that one block. Other threads may be
 * allocating: both allocators have one context, so a mixture of them is fine.
 */
static void on_clear(void)
{
	struct mf__py_allocator aside;

	if (!load_api())
		return;
	mf__py_async_forget();
	atomic_store_explicit(&pending, 0, memory_order_relaxed);
	/* another one started later in this process is left alone */
	has_api = false;
	is_refused = true;
	if (!entry.block)
		return;
	PY(PyMem_GetAllocator)(0, &entry.now);
	if (entry.now.free == entry.then.free)
		return;
	aside = entry.now;
	aside.free = free_as_allocated;
	PY(PyMem_SetAllocator)(0, &aside);
}

static int on_audit(const char *event, struct mf__py *args, void *data)
{
	(void)data;
	if (atomic_load_explicit(&mf__py_async_unsaid, memory_order_relaxed))
		mf__py_async_say();
	switch (event[0]) {
	case 'i':
		if (strcmp(event, "import") == 0)
			on_import(args);
		break;
	case 'c':
		if (strncmp(event, "cpython.", 8) != 0)
			break;
		if (strncmp(event + 8, "run_", 4) == 0)
			on_run();
		else if (strcmp(event + 8, "_PySys_ClearAuditHooks") == 0)
			on_clear();
		break;
	case 'o':
		if (event[1] == 's' && strncmp(event, "os.fork", 7) == 0)
			on_fork();
		break;
	}
	if (atomic_load_explicit(&pending, memory_order_relaxed))
		look();
	return 0;
}

void mf__python_start(void)
{
	typedef int add_hook(int (*)(const char *, struct mf__py *, void *),
	                     void *);
	union {
		void *ptr;
		add_hook *fn;
	} add = {.ptr = dlsym(RTLD_DEFAULT, "PySys_AddAuditHook")};
	struct mf__py_allocator noting;
	void *fn;

	if (!add.ptr || !load_api())
		return;
	PY(PyMem_GetAllocator)(0, &entry.then);
	noting = entry.then;
	noting.malloc = malloc_noting;
	PY(PyMem_SetAllocator)(0, &noting);
	add.fn(on_audit, NULL);
	PY(PyMem_SetAllocator)(0, &entry.then);
	if (!entry.block)
		return;
	memcpy(&fn, (void **)entry.block + 1, sizeof(fn));
	if (fn != (union {
			  int (*fn)(const char *, struct mf__py *, void *);
			  void *ptr;
		  }){.fn = on_audit}
	                  .ptr)
		entry.block = NULL;
}

void mf__python_look(void)
{
	if (!has_api)
		return;
	look_for(HOOK_THREAD);
	if (atomic_load_explicit(&pending, memory_order_relaxed))
		look();
}
