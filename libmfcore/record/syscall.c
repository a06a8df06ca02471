/*
 * syscall(2), for the programs that exec or exit through it.
 *
 * Written as libc has it, and not in C: a child of vfork comes back from this
 * function twice, so it must not have a frame. What a program asks of the
 * kernel without libc at all stays unseen.
 */
#include <errno.h>

#include "record/record.h"

#if defined(__x86_64__)

/* From the instructions below; also a tail call of theirs. */
long mf__syscall_failed(long result);

long mf__syscall_failed(long result)
{
	errno = (int)-result;
	return -1;
}

__asm__("	.text\n"
        "	.globl syscall\n"
        "	.type syscall, @function\n"
        "syscall:\n"
        "	.cfi_startproc\n"
        "	endbr64\n"
        "	cmpq $59, %rdi\n" /* execve */
        "	je 2f\n"
        "	cmpq $231, %rdi\n" /* exit_group */
        "	je 3f\n"
        "	movq %rdi, %rax\n"
        "	movq %rsi, %rdi\n"
        "	movq %rdx, %rsi\n"
        "	movq %rcx, %rdx\n"
        "	movq %r8, %r10\n"
        "	movq %r9, %r8\n"
        "	movq 8(%rsp), %r9\n"
        "	syscall\n"
        "	cmpq $-4095, %rax\n"
        "	jae 1f\n"
        "	ret\n"
        "1:	movq %rax, %rdi\n"
        "	jmp mf__syscall_failed\n"
        "2:	movq %rsi, %rdi\n"
        "	movq %rdx, %rsi\n"
        "	movq %rcx, %rdx\n"
        "	jmp mf__syscall_execve\n"
        "3:	movl %esi, %edi\n"
        "	jmp mf__syscall_exit\n"
        "	.cfi_endproc\n"
        "	.size syscall, .-syscall\n");

#endif
