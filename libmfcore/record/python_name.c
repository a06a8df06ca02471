/*
 * Objects of the interpreter, and what to call them in the journal.
 */
#include <string.h>

#include "record/python.h"

#define MESSAGE_MAX 200u /* bytes of an exception's text */

void mf__py_save(struct mf__py_error *out)
{
	PY(PyErr_Fetch)(&out->type, &out->value, &out->trace);
}

void mf__py_restore(const struct mf__py_error *saved)
{
	PY(PyErr_Restore)(saved->type, saved->value, saved->trace);
}

void mf__py_drop(struct mf__py *obj)
{
	if (obj)
		PY(Py_DecRef)(obj);
}

struct mf__py *mf__py_attr(struct mf__py *obj, const char *name)
{
	struct mf__py *value = PY(PyObject_GetAttrString)(obj, name);

	if (!value)
		PY(PyErr_Clear)();
	return value;
}

struct mf__py *mf__py_type(struct mf__py *obj)
{
	struct mf__py *type = PY(PyObject_Type)(obj);

	mf__py_drop(type); /* the object holds it */
	return type;
}

struct mf__py *mf__py_module_attr(const char *module, const char *name)
{
	struct mf__py *modules = PY(PyImport_GetModuleDict)();
	struct mf__py *found =
		modules ? PY(PyDict_GetItemString)(modules, module) : NULL;

	return found && found != PY(none) ? mf__py_attr(found, name) : NULL;
}

/* Cut where a character begins, so that what is kept is UTF-8 if it was. */
void mf__py_put(struct mf__py_text *text, const char *bytes, size_t len)
{
	size_t room = sizeof(text->bytes) - text->len;

	if (len > room) {
		len = room;
		while (len && ((unsigned char)bytes[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

bool mf__py_put_str(struct mf__py_text *text, struct mf__py *str)
{
	ssize_t len = 0;
	const char *bytes = PY(PyUnicode_AsUTF8AndSize)(str, &len);

	if (!bytes) {
		PY(PyErr_Clear)();
		return false;
	}
	mf__py_put(text, bytes, (size_t)len);
	return true;
}

bool mf__py_put_attr(struct mf__py_text *text, struct mf__py *obj,
                     const char *name)
{
	struct mf__py *value = mf__py_attr(obj, name);
	bool ok = value && mf__py_put_str(text, value);

	mf__py_drop(value);
	return ok;
}

static void put_qualname(struct mf__py_text *text, struct mf__py *obj)
{
	size_t begin = text->len;

	if (mf__py_put_attr(text, obj, "__module__"))
		mf__py_put(text, ".", 1);
	if (!mf__py_put_attr(text, obj, "__qualname__"))
		text->len = begin;
}

void mf__py_name_callable(struct mf__py_text *text, struct mf__py *callable)
{
	struct mf__py *inner;

	PY(Py_IncRef)(callable);
	for (int depth = 0; depth < 8; depth++) { /* functools.partial */
		put_qualname(text, callable);
		if (text->len)
			break;
		inner = mf__py_attr(callable, "func");
		if (!inner) {
			put_qualname(text, mf__py_type(callable));
			break;
		}
		mf__py_drop(callable);
		callable = inner;
	}
	mf__py_drop(callable);
}

void mf__py_name_runner(struct mf__py_text *text, struct mf__py *runner,
                        struct mf__py *base)
{
	struct mf__py *run = mf__py_attr(mf__py_type(runner), "run");
	struct mf__py *base_run = base ? mf__py_attr(base, "run") : NULL;
	struct mf__py *target = NULL;

	if (run && run == base_run)
		target = mf__py_attr(runner, "_target");
	if (target && target != PY(none))
		mf__py_name_callable(text, target);
	else if (run)
		mf__py_name_callable(text, run);
	mf__py_drop(target);
	mf__py_drop(base_run);
	mf__py_drop(run);
}

/* Whether the object's text can be had without code of the program. */
static bool is_plain(struct mf__py *obj)
{
	static const char *const plain[] = {"str",   "int",  "float",
	                                    "bytes", "bool", "NoneType"};
	struct mf__py *type = mf__py_type(obj);
	struct mf__py *name = mf__py_attr(type, "__name__");
	struct mf__py *module = mf__py_attr(type, "__module__");
	bool answer = false;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		answer |= name && PY(PyUnicode_CompareWithASCIIString)(
					  name, plain[i]) == 0;
	answer &= module &&
	          PY(PyUnicode_CompareWithASCIIString)(module, "builtins") == 0;
	PY(PyErr_Clear)();
	mf__py_drop(module);
	mf__py_drop(name);
	return answer;
}

static bool has_plain_args(struct mf__py *error)
{
	struct mf__py *args = mf__py_attr(error, "args");
	ssize_t n = args ? PY(PyTuple_Size)(args) : -1;
	bool answer = n > 0;

	for (ssize_t i = 0; answer && i < n; i++)
		answer = is_plain(PY(PyTuple_GetItem)(args, i));
	PY(PyErr_Clear)();
	mf__py_drop(args);
	return answer;
}

/* Whether str() of it is C code: its type has no __str__ in Python. */
static bool has_plain_str(struct mf__py *error)
{
	struct mf__py *str = mf__py_attr(mf__py_type(error), "__str__");
	bool answer = str && mf__py_type(str) != PY(function_type);

	mf__py_drop(str);
	return answer;
}

void mf__py_name_error(struct mf__py_text *text, struct mf__py *error)
{
	struct mf__py *str = NULL;
	struct mf__py_text message = {0};

	mf__py_put_attr(text, mf__py_type(error), "__name__");
	if (has_plain_args(error) && has_plain_str(error)) {
		str = PY(PyObject_Str)(error);
		PY(PyErr_Clear)();
	}
	if (!str || !mf__py_put_str(&message, str) || !message.len)
		goto out;
	mf__py_put(text, ": ", 2);
	mf__py_put(text, message.bytes, message.len);
	if (text->len > MESSAGE_MAX) {
		text->len = MESSAGE_MAX;
		while (text->len &&
		       ((unsigned char)text->bytes[text->len] & 0xc0) == 0x80)
			text->len--;
	}
out:
	mf__py_drop(str);
}
