/*
 * What a program file is to the recorder: may we be preloaded into it?
 *
 * A wrong yes is a line of the dynamic linker on the program's stderr, or its
 * death; a wrong no is a blind spot. Used by the recorder in every exec and by
 * the recorder's parent for the first one.
 *
 * Threads: pure but for reading the file; no malloc; keeps errno.
 */
#ifndef MF_SYSTEM_TARGET_H
#define MF_SYSTEM_TARGET_H

#include <stdbool.h>

#define MF_TARGET_MAP(X)                                                       \
	X(FULL, true, NULL)                                                    \
	X(MISSING, true, NULL)                                                 \
	X(UNREADABLE, true, "its file cannot be read")                         \
	X(STATIC, true, "statically linked; its children record")              \
	X(FOREIGN, false, "built for another machine")                         \
	X(SETUID, false, "gains privileges")                                   \
	X(SANITIZED, false, "a sanitizer must come first in it")

/* X(NAME, whether it gets the injection, why it records nothing itself) */
enum mf_target {
#define MF_TARGET_ENUM(name, inject, blind) MF_TARGET_##name,
	MF_TARGET_MAP(MF_TARGET_ENUM)
#undef MF_TARGET_ENUM
};

/* Look at the file; a script is as good as its interpreter. */
enum mf_target mf__target_inspect(const char *path);

/* The same for an open file. */
enum mf_target mf__target_inspect_fd(int fd);

bool mf__target_takes_injection(enum mf_target target);

/* Why the new image will record nothing itself, or NULL. */
const char *mf__target_blind(enum mf_target target);

/*
 * Find `file` as execvp(3) does with this PATH value (NULL: the default).
 * Returns false where it is not found; out holds at most `cap` bytes with NUL.
 */
bool mf__target_search(const char *file, const char *path, char *out,
                       unsigned long cap);

#endif /* MF_SYSTEM_TARGET_H */
