/*
 * An object that stands in front of a function of the standard library, calls
 * it, and does something before or after.
 *
 * It is of a type of our own and is called by the vectorcall protocol: neither
 * makes a frame, counts as recursion or is a "C function" to a profiler.
 * Whatever else is asked of it, its __class__ included, the function answers,
 * so inspect, functools and pydoc see the function.
 */
#include <string.h>

#include "record/python.h"

/* Py_TPFLAGS_DEFAULT holds what is always wanted. */
#define FLAGS_HAVE_GC (1u << 14)
#define FLAGS_HAVE_VECTORCALL (1u << 11)
#define FLAGS_METHOD_DESCRIPTOR (1u << 17)
#define FLAGS_DEFAULT (1u << 18)

#define VECTORCALL_OFFSET_BIT ((size_t)1 << (8 * sizeof(size_t) - 1))

/* numbers of typeslots.h, part of the stable ABI */
enum slot {
	SLOT_CALL = 50,
	SLOT_DEALLOC = 52,
	SLOT_DESCR_GET = 54,
	SLOT_GETATTRO = 58,
	SLOT_REPR = 66,
	SLOT_SETATTRO = 69,
	SLOT_TRAVERSE = 71,
	SLOT_MEMBERS = 72,
};

struct wrapper {
	ssize_t refs;        /* the head every object has, checked by */
	struct mf__py *type; /* mf__py_can_wrap() */
	struct mf__py *(*vectorcall)(struct mf__py *self,
	                             struct mf__py *const *args, size_t nargsf,
	                             struct mf__py *names);
	struct mf__py *inner;
	mf__py_handler *handler;
};

struct member {
	const char *name;
	int type;
	ssize_t offset;
	int flags;
	const char *doc;
};

static struct mf__py *wrapper_type;

static struct wrapper *wrapper_of(struct mf__py *self)
{
	return (struct wrapper *)(void *)self;
}

size_t mf__py_nargs(const struct mf__py_call *call)
{
	return call->nargsf & ~VECTORCALL_OFFSET_BIT;
}

struct mf__py *mf__py_call_inner(const struct mf__py_call *call)
{
	/* the slot before args[0], if we may use it, is the callee's too */
	if (PY(PyObject_Vectorcall))
		return PY(PyObject_Vectorcall)(call->inner, call->args,
		                               call->nargsf, call->names);
	return PY(_PyFunction_Vectorcall)(call->inner, call->args, call->nargsf,
	                                  call->names);
}

static struct mf__py *wrapper_call(struct mf__py *self,
                                   struct mf__py *const *args, size_t nargsf,
                                   struct mf__py *names)
{
	struct wrapper *wrapper = wrapper_of(self);
	struct mf__py_call call = {
		.inner = wrapper->inner,
		.args = args,
		.nargsf = nargsf,
		.names = names,
	};

	return wrapper->handler(&call);
}

static struct mf__py *wrapper_get(struct mf__py *self, struct mf__py *obj,
                                  struct mf__py *type)
{
	(void)type;
	if (obj && obj != PY(none))
		return PY(PyMethod_New)(self, obj);
	PY(Py_IncRef)(self);
	return self;
}

static struct mf__py *wrapper_getattr(struct mf__py *self, struct mf__py *name)
{
	return PY(PyObject_GetAttr)(wrapper_of(self)->inner, name);
}

static int wrapper_setattr(struct mf__py *self, struct mf__py *name,
                           struct mf__py *value)
{
	return PY(PyObject_SetAttr)(wrapper_of(self)->inner, name, value);
}

static struct mf__py *wrapper_repr(struct mf__py *self)
{
	return PY(PyObject_Repr)(wrapper_of(self)->inner);
}

/* There is no tp_clear: a class or a function is in every cycle we are in. */
static int wrapper_traverse(struct mf__py *self,
                            int (*visit)(struct mf__py *, void *), void *arg)
{
	struct mf__py *inner = wrapper_of(self)->inner;

	return inner ? visit(inner, arg) : 0;
}

static void wrapper_dealloc(struct mf__py *self)
{
	struct mf__py *inner = wrapper_of(self)->inner;

	PY(PyObject_GC_UnTrack)(self);
	PY(PyObject_GC_Del)(self);
	mf__py_drop(inner);
	/* the type's count is left one too high: it lives as long as we do */
}

static struct member members[] = {
	{.name = "__vectorcalloffset__",
         .type = 19, /* T_PYSSIZET */
         .offset = offsetof(struct wrapper, vectorcall),
         .flags = 1}, /* READONLY */
	{0},
};

/* A pointer to a function as an object pointer, which POSIX allows. */
#define SLOT(slot_id, function)                                                \
	{                                                                      \
		.id = (slot_id), .fn = (union {                                \
					       __typeof__(&(function)) fn;     \
					       void *ptr;                      \
				       }){.fn = (function)}                    \
		                               .ptr                            \
	}

/* Before 3.9 the offset could only be written into the type itself. */
static void set_offset_38(struct mf__py *type)
{
	ssize_t offset = offsetof(struct wrapper, vectorcall);

	memcpy((char *)type + 56, &offset, sizeof(offset));
}

static struct mf__py *make_type(void)
{
	struct mf__py_slot slots[] = {
		SLOT(SLOT_CALL, *PY(PyVectorcall_Call)),
		SLOT(SLOT_DEALLOC, wrapper_dealloc),
		SLOT(SLOT_DESCR_GET, wrapper_get),
		SLOT(SLOT_GETATTRO, wrapper_getattr),
		SLOT(SLOT_REPR, wrapper_repr),
		SLOT(SLOT_SETATTRO, wrapper_setattr),
		SLOT(SLOT_TRAVERSE, wrapper_traverse),
		{.id = SLOT_MEMBERS, .fn = members},
		{0},
	};
	struct mf__py_spec spec = {
		.name = "mfcore.function",
		.basicsize = sizeof(struct wrapper),
		.flags = FLAGS_DEFAULT | FLAGS_HAVE_GC | FLAGS_HAVE_VECTORCALL |
	                 FLAGS_METHOD_DESCRIPTOR,
		.slots = slots,
	};
	bool is_38 = strncmp(PY(Py_GetVersion)(), "3.8.", 4) == 0;
	struct mf__py *type;

	if (is_38)
		slots[7] = (struct mf__py_slot){0};
	type = PY(PyType_FromSpec)(&spec);
	if (type && is_38)
		set_offset_38(type);
	return type;
}

bool mf__py_can_wrap(void)
{
	static int answer = -1;
	struct mf__py *object, *size;

	if (answer >= 0)
		return answer;
	object = mf__py_type(PY(PyImport_GetModuleDict)());
	object = object ? mf__py_attr(object, "__base__") : NULL;
	size = object ? mf__py_attr(object, "__basicsize__") : NULL;
	answer = size &&
	         PY(PyLong_AsSsize_t)(size) ==
	                 (ssize_t)offsetof(struct wrapper, vectorcall) &&
	         (PY(PyObject_Vectorcall) || PY(_PyFunction_Vectorcall));
	mf__py_drop(size);
	mf__py_drop(object);
	return answer;
}

bool mf__py_wrap(struct mf__py *class, const char *method,
                 mf__py_handler *handler)
{
	struct mf__py *inner = mf__py_attr(class, method);
	struct mf__py *obj = NULL;
	bool ok = false;

	if (!wrapper_type)
		wrapper_type = make_type();
	if (!inner || !wrapper_type || mf__py_type(inner) != PY(function_type))
		goto out;
	obj = PY(PyType_GenericAlloc)(wrapper_type, 0);
	if (!obj)
		goto out;
	wrapper_of(obj)->vectorcall = wrapper_call;
	wrapper_of(obj)->handler = handler;
	wrapper_of(obj)->inner = inner;
	inner = NULL;
	ok = PY(PyObject_SetAttrString)(class, method, obj) == 0;
out:
	PY(PyErr_Clear)();
	mf__py_drop(obj);
	mf__py_drop(inner);
	return ok;
}
