/*
 * What a descriptor is to us, one byte each.
 */
#ifndef MF_RECORD_FDS_H
#define MF_RECORD_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mf__fd_class {
	MF__FD_NONE = 0,
	MF__FD_OUT = 1,       /* standard output */
	MF__FD_ERR = 2,       /* standard error */
	MF__FD_PIPE_READ = 3, /* made by pipe(2); what for is not known yet */
	MF__FD_PIPE_WRITE = 4,
	MF__FD_SEND = 5,        /* the parent's end of a sidecar's pipe */
	MF__FD_RECV = 6,        /* the sidecar's end */
	MF__FD_CAPTURE_OUT = 7, /* the reading end of a child's output */
	MF__FD_CAPTURE_ERR = 8,
};

#define MF__FDS 1024

void mf__fds_start(void);
void mf__fds_share(void); /* before a fork */
void mf__fds_forked(void);
enum mf__fd_class mf__fd_class(int fd);
uint64_t mf__fd_inode(int fd);

/*
 * A child has these inodes as standard streams: find the other ends of those
 * pipes in the process that made them, and say what they are. `is_us`: we are
 * that child, about to exec. Returns the writing end of a sidecar's stdin, or
 * -1, and whose it is.
 */
struct mf__stdio {
	uint64_t inode[3];
};
struct mf__stdio mf__stdio_now(void);
int mf__fds_mark_child(bool is_sidecar, bool is_captured,
                       const struct mf__stdio *stdio, bool is_us,
                       uint32_t *maker);

/* Say that our own stdin is the receiving end of a sidecar's pipe. */
void mf__fds_mark_receiver(void);

/* The process ends: say what stays in the pipe it received from. */
void mf__fds_exit(void);

/* Bytes of output this process and its forks may still keep of `stream`. */
size_t mf__fds_budget(int fd, enum mf__fd_class kind, size_t wanted);

#endif /* MF_RECORD_FDS_H */
