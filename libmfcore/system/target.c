#include "system/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "the recorder knows x86-64 and aarch64"
#endif

#define SCRIPT_DEPTH 4
#define NEEDED_MAX 64
#define SEGMENTS_MAX 32
#define DYNAMIC_MAX 128

static const struct {
	const char *blind;
	bool inject;
} targets[] = {
#define MF_TARGET_ROW(name, inject, blind)                                     \
	[MF_TARGET_##name] = {(blind), (inject)},
	MF_TARGET_MAP(MF_TARGET_ROW)
#undef MF_TARGET_ROW
};

bool mf__target_takes_injection(enum mf_target target)
{
	return targets[target].inject;
}

const char *mf__target_blind(enum mf_target target)
{
	return targets[target].blind;
}

static bool read_exactly(int fd, void *out, size_t len, uint64_t offset)
{
	return syscall(SYS_pread64, fd, out, len, (off_t)offset) == (long)len;
}

/* The file offset behind an address of the program, or UINT64_MAX. */
static uint64_t offset_of(const Elf64_Phdr *phdrs, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++) {
		if (phdrs[i].p_type == PT_LOAD && address >= phdrs[i].p_vaddr &&
		    address - phdrs[i].p_vaddr < phdrs[i].p_filesz)
			return phdrs[i].p_offset + (address - phdrs[i].p_vaddr);
	}
	return UINT64_MAX;
}

static bool names_sanitizer(int fd, uint64_t offset)
{
	char name[NEEDED_MAX] = {0};

	if (syscall(SYS_pread64, fd, name, sizeof(name) - 1, (off_t)offset) <=
	    0)
		return false;
	return strncmp(name, "libasan.", 8) == 0 ||
	       strncmp(name, "libtsan.", 8) == 0 ||
	       strncmp(name, "libclang_rt.asan", 16) == 0 ||
	       strncmp(name, "libclang_rt.tsan", 16) == 0;
}

/* Some entries of the dynamic section: the stack may be small. */
struct window {
	Elf64_Dyn entries[16];
	size_t first;
	size_t len;
};

/* The i-th entry of the dynamic section; NULL behind its end. */
static const Elf64_Dyn *dynamic_entry(int fd, const Elf64_Phdr *dynamic,
                                      size_t i, struct window *window)
{
	const size_t size = sizeof(window->entries[0]);
	size_t left = dynamic->p_filesz / size;

	left = i < left && i < DYNAMIC_MAX ? left - i : 0;
	if (left && i - window->first >= window->len) {
		long n = syscall(SYS_pread64, fd, window->entries,
		                 sizeof(window->entries),
		                 (off_t)(dynamic->p_offset + i * size));

		window->first = i;
		window->len = n > 0 ? (size_t)n / size : 0;
		if (window->len > left)
			window->len = left;
	}
	if (!left || i - window->first >= window->len ||
	    window->entries[i - window->first].d_tag == DT_NULL)
		return NULL;
	return &window->entries[i - window->first];
}

/*
 * Whether a sanitizer's runtime is among the libraries it needs: such a
 * runtime ends the program when another library was loaded before it.
 */
static bool needs_sanitizer(int fd, const Elf64_Phdr *phdrs, size_t n,
                            const Elf64_Phdr *dynamic)
{
	struct window window = {.first = 0};
	const Elf64_Dyn *entry;
	uint64_t strings = UINT64_MAX;

	for (size_t i = 0; strings == UINT64_MAX &&
	                   (entry = dynamic_entry(fd, dynamic, i, &window));
	     i++) {
		if (entry->d_tag == DT_STRTAB)
			strings = offset_of(phdrs, n, entry->d_un.d_ptr);
	}
	for (size_t i = 0; strings != UINT64_MAX &&
	                   (entry = dynamic_entry(fd, dynamic, i, &window));
	     i++) {
		if (entry->d_tag == DT_NEEDED &&
		    names_sanitizer(fd, strings + entry->d_un.d_val))
			return true;
	}
	return false;
}

static enum mf_target inspect_elf(int fd)
{
	Elf64_Phdr phdrs[SEGMENTS_MAX];
	const Elf64_Phdr *dynamic = NULL;
	bool has_interpreter = false;
	Elf64_Ehdr head;
	size_t n;

	if (!read_exactly(fd, &head, sizeof(head), 0) ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_machine != OWN_MACHINE ||
	    head.e_phentsize != sizeof(phdrs[0]))
		return MF_TARGET_FOREIGN;
	n = head.e_phnum < SEGMENTS_MAX ? head.e_phnum : SEGMENTS_MAX;
	if (!read_exactly(fd, phdrs, n * sizeof(phdrs[0]), head.e_phoff))
		return MF_TARGET_UNREADABLE;
	for (size_t i = 0; i < n; i++) {
		if (phdrs[i].p_type == PT_INTERP)
			has_interpreter = true;
		if (phdrs[i].p_type == PT_DYNAMIC)
			dynamic = &phdrs[i];
	}
	if (!has_interpreter)
		return MF_TARGET_STATIC;
	if (dynamic && needs_sanitizer(fd, phdrs, n, dynamic))
		return MF_TARGET_SANITIZED;
	return MF_TARGET_FULL;
}

/* The interpreter behind "#!", cut out of `line` in place. */
static const char *interpreter_of(char *line)
{
	char *at = line + 2;

	while (*at == ' ' || *at == '\t')
		at++;
	line = at;
	while (*at && *at != ' ' && *at != '\t' && *at != '\n')
		at++;
	*at = '\0';
	return *line ? line : NULL;
}

/*
 * Whether the program will run with more than its caller has, so that the
 * loader obeys no environment.
 */
static bool gains_privileges(int fd, const struct stat *st)
{
	char caps[64];

	if (st->st_mode & S_ISUID && st->st_uid != getuid())
		return true;
	if (st->st_mode & S_ISGID && st->st_mode & S_IXGRP &&
	    st->st_gid != getgid())
		return true;
	return getuid() != 0 &&
	       syscall(SYS_fgetxattr, fd, "security.capability", caps,
	               sizeof(caps)) > 0;
}

static enum mf_target inspect(int fd, int depth)
{
	enum mf_target target = MF_TARGET_UNREADABLE;
	const char *interpreter;
	char line[256];
	struct stat st;
	long n;
	int next;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return MF_TARGET_UNREADABLE;
	if (gains_privileges(fd, &st))
		return MF_TARGET_SETUID;
	n = syscall(SYS_pread64, fd, line, sizeof(line) - 1, 0);
	if (n < 4)
		return MF_TARGET_UNREADABLE;
	line[n] = '\0';
	if (memcmp(line, ELFMAG, SELFMAG) == 0)
		return inspect_elf(fd);
	if (line[0] != '#' || line[1] != '!') /* what execvp gives to sh */
		return MF_TARGET_FULL;
	interpreter = interpreter_of(line);
	if (!interpreter || depth >= SCRIPT_DEPTH)
		return target;
	next = (int)syscall(SYS_openat, AT_FDCWD, interpreter,
	                    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (next < 0)
		return target;
	target = inspect(next, depth + 1);
	syscall(SYS_close, next);
	return target;
}

enum mf_target mf__target_inspect_fd(int fd)
{
	int saved = errno;
	enum mf_target target = inspect(fd, 0);

	errno = saved;
	return target;
}

enum mf_target mf__target_inspect(const char *path)
{
	enum mf_target target = MF_TARGET_MISSING;
	int saved = errno;
	struct stat st;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0) {
		target = inspect(fd, 0);
		syscall(SYS_close, fd);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		target =
			stat(path, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID)
				? MF_TARGET_SETUID
				: MF_TARGET_UNREADABLE;
	}
	errno = saved;
	return target;
}

bool mf__target_search(const char *file, const char *path, char *out,
                       unsigned long cap)
{
	size_t len = strlen(file);
	int saved = errno;

	if (len == 0 || len + 1 > cap)
		return false;
	if (strchr(file, '/')) {
		memcpy(out, file, len + 1);
		return true;
	}
	for (path = path ? path : "/bin:/usr/bin"; path;) {
		size_t dir = strcspn(path, ":");

		if (dir + len + 2 <= cap) {
			memcpy(out, path, dir);
			if (dir)
				out[dir] = '/';
			memcpy(out + dir + (dir > 0), file, len + 1);
			if (syscall(SYS_faccessat, AT_FDCWD, out, X_OK) == 0) {
				errno = saved;
				return true;
			}
		}
		path = path[dir] ? path + dir + 1 : NULL;
	}
	errno = saved;
	return false;
}
