/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen

#if !defined(_TRACE_XEN_PMU_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_XEN_PMU_H

#include <linux/tracepoint.h>

#define XEN_PMU_IN_USER		0
#define XEN_PMU_IN_KERNEL	1
#define XEN_PMU_IN_HYPERVISOR	2

/*
 * An overflow as Xen tells it. The domain is 0x7ff0 for this one and 0x7ff2
 * for Xen itself (DOMID_SELF, DOMID_XEN); other domains only appear in dom0,
 * in mode all.
 */
TRACE_EVENT(xen_pmu_sample,
	TP_PROTO(u16 domain, u32 vcpu, u32 pcpu, u64 ip, u8 mode, bool delayed),
	TP_ARGS(domain, vcpu, pcpu, ip, mode, delayed),
	TP_STRUCT__entry(
		__field(u64, ip)
		__field(u32, vcpu)
		__field(u32, pcpu)
		__field(u16, domain)
		__field(u8, mode)
		__field(bool, delayed)
	),
	TP_fast_assign(
		__entry->ip = ip;
		__entry->vcpu = vcpu;
		__entry->pcpu = pcpu;
		__entry->domain = domain;
		__entry->mode = mode;
		__entry->delayed = delayed;
	),
	TP_printk("domain=%u vcpu=%u pcpu=%u ip=0x%llx mode=%s delayed=%d",
		  __entry->domain, __entry->vcpu, __entry->pcpu, __entry->ip,
		  __print_symbolic(__entry->mode,
				   { XEN_PMU_IN_USER, "user" },
				   { XEN_PMU_IN_KERNEL, "kernel" },
				   { XEN_PMU_IN_HYPERVISOR, "hypervisor" }),
		  __entry->delayed)
);

#endif /* _TRACE_XEN_PMU_H */

/* The file is not named after the system, which it shares with xen.h. */
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE xen_pmu

/* This part must be outside protection */
#include <trace/define_trace.h>
