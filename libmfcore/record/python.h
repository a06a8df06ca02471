/*
 * The interpreter we may be inside of, and what our files about it share.
 *
 * Nothing here runs Python code of ours: a method of the standard library is
 * replaced by an object of a C type that calls the original, so there is no
 * frame of ours in a traceback, a profile or a recursion count. What remains to
 * be seen: the type() of four methods; three "object.__getattr__" events a task
 * in audit hooks of the program; the methods as callables in sys.monitoring,
 * from 3.12 on. Not seen by us: tasks of loops that are not asyncio's own
 * (uvloop), and anything in a subinterpreter or a second interpreter of the
 * process. Everything but what record.h declares runs with the GIL held, in the
 * main interpreter.
 */
#ifndef MF_RECORD_PYTHON_H
#define MF_RECORD_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mf__py; /* PyObject */

/* PyType_Slot and PyType_Spec, of the stable ABI. */
struct mf__py_slot {
	int id;
	void *fn;
};

struct mf__py_spec {
	const char *name;
	int basicsize;
	int itemsize;
	unsigned int flags;
	struct mf__py_slot *slots;
};

struct mf__py_api {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares */
#define MF__PY_FN(need, ret, name, args) ret(*name) args;
#include "record/python.def"
	struct mf__py *none;
	struct mf__py *function_type; /* of functions in Python */
};

extern struct mf__py_api mf__py_api;

/* Call as PY(Py_DecRef)(obj). */
#define PY(name) (mf__py_api.name)

/* An exception that was set before us, to be put back. */
struct mf__py_error {
	struct mf__py *type, *value, *trace;
};
void mf__py_save(struct mf__py_error *out);
void mf__py_restore(const struct mf__py_error *saved);

/* Drop a reference; NULL is allowed. */
void mf__py_drop(struct mf__py *obj);

/* An attribute, a new reference; NULL and no exception when there is none. */
struct mf__py *mf__py_attr(struct mf__py *obj, const char *name);

/* Type of an object, borrowed: the object must outlive its use. */
struct mf__py *mf__py_type(struct mf__py *obj);

/* The attribute of a module already imported, or NULL; never imports. */
struct mf__py *mf__py_module_attr(const char *module, const char *name);

/* ---- python_wrap.c: a method with something done before or after ---- */

/*
 * Called in place of the method, and has to call `inner`; `args` begins with
 * the object. Returns what that returned.
 */
struct mf__py_call {
	struct mf__py *inner;
	struct mf__py *const *args;
	size_t nargsf;
	struct mf__py *names; /* of the keyword arguments at the end, or NULL */
};
typedef struct mf__py *mf__py_handler(const struct mf__py_call *call);

struct mf__py *mf__py_call_inner(const struct mf__py_call *call);

/* How many positional arguments. */
size_t mf__py_nargs(const struct mf__py_call *call);

/* Put the handler in front of `method` of a class. */
bool mf__py_wrap(struct mf__py *class, const char *method,
                 mf__py_handler *handler);

/* Whether objects look as we know them; else nothing is wrapped. */
bool mf__py_can_wrap(void);

/* ---- python_name.c: what things are called ---- */

struct mf__py_text {
	size_t len;
	char bytes[240];
};

void mf__py_put(struct mf__py_text *text, const char *bytes, size_t len);
bool mf__py_put_str(struct mf__py_text *text, struct mf__py *str);
bool mf__py_put_attr(struct mf__py_text *text, struct mf__py *obj,
                     const char *name);

/* module.qualname of a callable. */
void mf__py_name_callable(struct mf__py_text *text, struct mf__py *callable);

/* What a Thread or a Process is going to run. */
void mf__py_name_runner(struct mf__py_text *text, struct mf__py *runner,
                        struct mf__py *base);

/* "type: message" of an exception, without running code of the program. */
void mf__py_name_error(struct mf__py_text *text, struct mf__py *error);

/* ---- python_run.c: threads, multiprocessing, forks ---- */

mf__py_handler mf__py_on_native_id; /* Thread._set_native_id */
mf__py_handler mf__py_on_bootstrap; /* BaseProcess._bootstrap */
void mf__py_on_fork(void);

/* ---- python_async.c ---- */

mf__py_handler mf__py_on_create_task; /* BaseEventLoop.create_task */
mf__py_handler mf__py_on_handle_run;  /* Handle._run */

/*
 * A task is announced a moment after it was made, when it has got its name:
 * until 3.12 asyncio sets that afterwards. This is one of those moments.
 */
void mf__py_async_say(void);

/* The interpreter is gone: forget its objects. */
void mf__py_async_forget(void);

#endif /* MF_RECORD_PYTHON_H */
