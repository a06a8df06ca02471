/*
 * Tasks of asyncio: who made them, what they run, how they end.
 *
 * The end is seen without a trace in the task: every step of a task is one
 * Handle._run() of the event loop, whose callback belongs to the task; when
 * that returns we look whether the task is done. A done-callback would show in
 * repr(task), and asking task.exception() would silence "exception was never
 * retrieved".
 *
 * The map and the caches are protected by the GIL.
 */
#include <stdlib.h>
#include <string.h>

#include "mfcore/redact.h"
#include "record/python.h"
#include "record/record.h"

/* Tasks alive, by address: open addressing, at most half full. */
struct task_slot {
	struct mf__py *task; /* borrowed; its address may come again */
	uint64_t id;
};

static struct {
	struct task_slot *slots;
	size_t cap; /* a power of two, or 0 */
	size_t n;
} tasks;

/* Names of coroutines by code object, direct-mapped. */
#define CODES 64u

static struct code_slot {
	struct mf__py *code; /* a reference, so the address stays its own */
	struct mf__py_text name;
} codes[CODES];

/* Types of callbacks that have no __self__, so are no step of a task. */
#define OWNERLESS 8u

static struct mf__py *ownerless[OWNERLESS];
static unsigned int n_ownerless;

static struct {
	struct mf__py *callback, *self, *state, *code; /* names, interned */
	struct mf__py *task;                           /* asyncio.tasks.Task */
	struct mf__py *c_task;   /* _asyncio.Task, NULL when there is none */
	struct mf__py *get_name; /* of the latter */
	bool is_ready;
} known;

static uint64_t last_id;

/* Per thread: the task whose step runs, and one made and not announced yet. */
static __thread struct {
	uint64_t current;
	uint32_t pid; /* of `current`: a forked child runs none */
	bool is_in_handle;
	bool has_unsaid;
	struct mf__py *task;
	uint64_t id;
	uint64_t parent;
	struct mf__py_text function;
} here;

static void know(void)
{
	if (known.is_ready)
		return;
	known.is_ready = true;
	known.callback = PY(PyUnicode_InternFromString)("_callback");
	known.self = PY(PyUnicode_InternFromString)("__self__");
	known.state = PY(PyUnicode_InternFromString)("_state");
	known.code = PY(PyUnicode_InternFromString)("cr_code");
	known.c_task = mf__py_module_attr("_asyncio", "Task");
	if (known.c_task)
		known.get_name = mf__py_attr(known.c_task, "get_name");
}

void mf__py_async_forget(void)
{
	here.has_unsaid = false;
	known.is_ready = false;
	known.task = NULL;
	n_ownerless = 0;
	tasks.n = 0;
	free(tasks.slots);
	tasks.slots = NULL;
	tasks.cap = 0;
	for (size_t i = 0; i < CODES; i++)
		codes[i].code = NULL;
}

static size_t spread(const void *ptr)
{
	uint64_t key = (uint64_t)(uintptr_t)ptr;

	return (size_t)((key >> 4) * 0x9e3779b97f4a7c15u >> 32);
}

static struct task_slot *find_slot(const struct mf__py *task)
{
	size_t i = spread(task) & (tasks.cap - 1);

	while (tasks.slots[i].task && tasks.slots[i].task != task)
		i = (i + 1) & (tasks.cap - 1);
	return &tasks.slots[i];
}

static uint64_t task_id(const struct mf__py *task)
{
	return tasks.cap ? find_slot(task)->id : 0;
}

static bool grow_tasks(void)
{
	size_t old_cap = tasks.cap;
	struct task_slot *old = tasks.slots;
	size_t cap = old_cap ? 2 * old_cap : 256;
	struct task_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return false;
	tasks.slots = slots;
	tasks.cap = cap;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].task)
			*find_slot(old[i].task) = old[i];
	}
	free(old);
	return true;
}

/* A number for a new task, 0 when there is no memory to remember it. */
static uint64_t add_task(struct mf__py *task)
{
	struct task_slot *slot;

	if (2 * (tasks.n + 1) > tasks.cap && !grow_tasks())
		return 0;
	slot = find_slot(task);
	tasks.n += !slot->task; /* else one that went away without an end */
	slot->task = task;
	slot->id = ++last_id;
	return slot->id;
}

/* Move up what follows, so that no search stops at the gap. */
static void remove_task(const struct mf__py *task)
{
	size_t mask = tasks.cap - 1;
	size_t gap = (size_t)(find_slot(task) - tasks.slots);
	size_t i = gap;

	if (!tasks.slots[gap].task)
		return;
	for (;;) {
		size_t home;

		i = (i + 1) & mask;
		if (!tasks.slots[i].task)
			break;
		home = spread(tasks.slots[i].task) & mask;
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		tasks.slots[gap] = tasks.slots[i];
		gap = i;
	}
	tasks.slots[gap] = (struct task_slot){0};
	tasks.n--;
}

static uint64_t current_id(void)
{
	return here.pid == mf__recorder.writer.pid ? here.current : 0;
}

static void put_coroutine(struct mf__py_text *text, struct mf__py *coro)
{
	struct mf__py *frame = mf__py_attr(coro, "cr_frame");
	struct mf__py *globals = frame ? mf__py_attr(frame, "f_globals") : NULL;
	struct mf__py *module =
		globals ? PY(PyDict_GetItemString)(globals, "__name__") : NULL;

	if (module && mf__py_put_str(text, module))
		mf__py_put(text, ".", 1);
	mf__py_put_attr(text, coro, "__qualname__");
	mf__py_drop(globals);
	mf__py_drop(frame);
}

static void name_coroutine(struct mf__py_text *text, struct mf__py *coro)
{
	struct mf__py *code = PY(PyObject_GetAttr)(coro, known.code);
	struct code_slot *slot;

	if (!code) { /* a generator, or something awaitable */
		PY(PyErr_Clear)();
		if (!mf__py_put_attr(text, coro, "__qualname__"))
			mf__py_name_callable(text, mf__py_type(coro));
		return;
	}
	slot = &codes[spread(code) % CODES];
	if (slot->code != code) {
		mf__py_drop(slot->code);
		slot->code = code; /* takes over the reference */
		slot->name.len = 0;
		put_coroutine(&slot->name, coro);
	} else {
		mf__py_drop(code);
	}
	mf__py_put(text, slot->name.bytes, slot->name.len);
}

static void name_task(struct mf__py_text *text, struct mf__py *task)
{
	struct mf__py *name;

	if (!known.get_name ||
	    !PY(PyType_IsSubtype)(mf__py_type(task), known.c_task)) {
		mf__py_put_attr(text, task, "_name");
		return;
	}
	name = PY(PyObject_CallFunctionObjArgs)(known.get_name, task, NULL);
	if (name)
		mf__py_put_str(text, name);
	PY(PyErr_Clear)();
	mf__py_drop(name);
}

static void record_start(struct mf__py *task, uint64_t id, uint64_t parent,
                         const struct mf__py_text *function)
{
	struct mf__py_text name = {.len = 0};
	struct mf_record rec;

	name_task(&name, task);
	if (!mf__begin(&rec, MF_EV_ASYNC_START,
	               (size_t)2 * MF_FIELD_U64 + MF_FIELD_BYTES(name.len) +
	                       MF_FIELD_BYTES(function->len)))
		return;
	mf_record_u64(&rec, MF_F_ID, id);
	if (parent)
		mf_record_u64(&rec, MF_F_PARENT_ID, parent);
	mf_record_bytes(&rec, MF_F_NAME, name.bytes, name.len);
	mf_record_bytes(&rec, MF_F_FUNCTION, function->bytes, function->len);
	mf_record_end(&rec);
}

void mf__py_async_say(void)
{
	struct mf__py_error saved;

	if (!here.has_unsaid)
		return;
	here.has_unsaid = false;
	mf__py_save(&saved);
	record_start(here.task, here.id, here.parent, &here.function);
	mf__py_drop(here.task);
	mf__py_restore(&saved);
}

static void record_end(uint64_t id, const char *outcome, struct mf__py *error)
{
	struct mf__py_text text = {.len = 0};
	char safe[2 * sizeof(text.bytes) + 64]; /* errors quote URLs, too */
	size_t len = strlen(outcome);
	size_t safe_len = 0;
	struct mf_record rec;

	if (error) {
		mf__py_name_error(&text, error);
		safe_len = mf_redact_arg(safe, sizeof(safe),
		                         (struct mf_str){text.bytes, text.len},
		                         (struct mf_str){NULL, 0},
		                         mf__recorder.env_allow);
	}
	if (!mf__begin(&rec, MF_EV_ASYNC_END,
	               MF_FIELD_U64 + MF_FIELD_BYTES(len) +
	                       MF_FIELD_BYTES(safe_len)))
		return;
	mf_record_u64(&rec, MF_F_ID, id);
	mf_record_bytes(&rec, MF_F_OUTCOME, outcome, len);
	if (error)
		mf_record_bytes(&rec, MF_F_TEXT, safe, safe_len);
	mf_record_end(&rec);
}

static bool has_state(struct mf__py *task, const char *word)
{
	struct mf__py *state = PY(PyObject_GetAttr)(task, known.state);
	bool answer =
		state && PY(PyUnicode_CompareWithASCIIString)(state, word) == 0;

	if (!state)
		PY(PyErr_Clear)();
	mf__py_drop(state);
	return answer;
}

/* Record the task's end if it has ended and was not recorded to have. */
static void check_end(struct mf__py *task, uint64_t id)
{
	struct mf__py *error = NULL;
	bool is_cancelled;

	if (has_state(task, "PENDING") || task_id(task) != id)
		return;
	is_cancelled = has_state(task, "CANCELLED");
	if (!is_cancelled)
		error = mf__py_attr(task, "_exception");
	if (error == PY(none)) {
		mf__py_drop(error);
		error = NULL;
	}
	record_end(id,
	           is_cancelled ? "cancelled"
	           : error      ? "error"
	                        : "ok",
	           error);
	mf__py_drop(error);
	remove_task(task);
}

static bool is_task(struct mf__py *obj)
{
	if (!known.task)
		known.task = mf__py_module_attr("asyncio.tasks", "Task");
	return known.task && PY(PyType_IsSubtype)(mf__py_type(obj), known.task);
}

static struct mf__py *coroutine_of(const struct mf__py_call *call)
{
	size_t n = mf__py_nargs(call);
	ssize_t names = call->names ? PY(PyTuple_Size)(call->names) : 0;

	if (n > 1)
		return call->args[1];
	for (ssize_t i = 0; i < names; i++) {
		struct mf__py *name = PY(PyTuple_GetItem)(call->names, i);

		if (PY(PyUnicode_CompareWithASCIIString)(name, "coro") == 0)
			return call->args[n + (size_t)i];
	}
	return NULL;
}

struct mf__py *mf__py_on_create_task(const struct mf__py_call *call)
{
	struct mf__py *coro = coroutine_of(call);
	struct mf__py_text function = {.len = 0};
	uint64_t parent = current_id();
	struct mf__py *task;
	uint64_t id;

	know();
	mf__py_async_say();
	if (coro)
		name_coroutine(&function, coro);
	task = mf__py_call_inner(call);
	if (!task || !is_task(task))
		return task;
	id = add_task(task);
	if (!id)
		return task;
	mf__py_async_say(); /* one that a task made, which began at once */
	if (!here.is_in_handle) {
		/* named already; and nothing says how long it lives */
		record_start(task, id, parent, &function);
		return task;
	}
	PY(Py_IncRef)(task); /* so does the loop, until its first step */
	here.task = task;
	here.id = id;
	here.parent = parent;
	here.function = function;
	here.has_unsaid = true;
	if (!has_state(task, "PENDING")) { /* it began at once and ended */
		mf__py_async_say();
		check_end(task, id);
	}
	return task;
}

/* The object whose method a handle calls, a new reference; NULL for none. */
static struct mf__py *owner_of(struct mf__py *handle)
{
	struct mf__py *callback = PY(PyObject_GetAttr)(handle, known.callback);
	struct mf__py *owner = NULL;
	struct mf__py *type;

	if (!callback)
		goto out;
	type = mf__py_type(callback);
	for (unsigned int i = 0; i < n_ownerless; i++) {
		if (ownerless[i] == type)
			goto out;
	}
	owner = PY(PyObject_GetAttr)(callback, known.self);
	if (!owner && n_ownerless < OWNERLESS) {
		PY(Py_IncRef)(type);
		ownerless[n_ownerless++] = type;
	}
out:
	if (!owner)
		PY(PyErr_Clear)();
	mf__py_drop(callback);
	return owner;
}

/* A task made without create_task: we meet it at its first step. */
static uint64_t adopt(struct mf__py *task)
{
	struct mf__py *coro;
	struct mf__py_text function = {.len = 0};
	uint64_t id;

	if (!is_task(task))
		return 0;
	id = add_task(task);
	coro = id ? mf__py_attr(task, "_coro") : NULL;
	if (coro)
		name_coroutine(&function, coro);
	mf__py_drop(coro);
	if (id)
		record_start(task, id, 0, &function);
	return id;
}

struct mf__py *mf__py_on_handle_run(const struct mf__py_call *call)
{
	uint64_t before = current_id();
	bool was_in_handle = here.is_in_handle;
	struct mf__py *owner = NULL;
	struct mf__py *result;
	struct mf__py_error saved;
	uint64_t id = 0;

	know();
	mf__py_async_say();
	if (mf__py_nargs(call))
		owner = owner_of(call->args[0]);
	if (owner) {
		id = task_id(owner);
		if (!id)
			id = adopt(owner);
	}
	here.current = id;
	here.pid = mf__recorder.writer.pid;
	here.is_in_handle = true;
	result = mf__py_call_inner(call);
	here.is_in_handle = was_in_handle;
	here.current = before;
	here.pid = mf__recorder.writer.pid;
	mf__py_async_say();
	if (id) {
		mf__py_save(&saved);
		check_end(owner, id);
		mf__py_restore(&saved);
	}
	mf__py_drop(owner);
	return result;
}
