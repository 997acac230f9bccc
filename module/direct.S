/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where ftrace calls directly from the sites of the functions that perf calls
 * most; see hooks.c. The return address says which of them it is. Back there, if
 * the PMU is not ours; and else it is dropped, and on to our function.
 *
 * RAX is nobody's at the begin of a function.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>

/* Behind the call of a site that comes after an ENDBR: its length and its place. */
#define SITE_END	9

.macro to_ours index, ours
	movq	(%rsp), %rax
	subq	xen_pmu_directly + 8 * \index(%rip), %rax
	cmpq	$SITE_END, %rax
	ja	.Lnot_\index
	addq	$8, %rsp
	jmp	\ours
.Lnot_\index:
.endm

	.text
SYM_FUNC_START(xen_pmu_direct)
	cmpb	$0, xen_pmu_is_ours(%rip)
	je	.Lnot_ours
	to_ours	0, xen_pmu_hook_read_pmc
	to_ours	1, xen_pmu_hook_write_msr
	to_ours	2, xen_pmu_hook_read_msr
	to_ours	3, xen_pmu_interrupt
.Lnot_ours:
	RET
SYM_FUNC_END(xen_pmu_direct)
STACK_FRAME_NON_STANDARD xen_pmu_direct
