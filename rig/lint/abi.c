// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the vPMU's ABI as the headers it is compiled with have it: the kernel's
 * with -DABI_KERNEL, Xen's public ones without. The two outputs must be equal.
 */
#ifdef ABI_KERNEL
#include <linux/types.h>
#include <linux/stddef.h>
#include <xen/interface/xen.h>
#include <xen/interface/xenpmu.h>
int printf(const char *format, ...);
#else
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <xen/xen.h>
#include <xen/pmu.h>
#endif

#define NUMBER(name, value) printf("%s = %#lx\n", name, (unsigned long)(value))
#define SIZE(type) NUMBER("sizeof " #type, sizeof(struct type))
#define FIELD(type, field) NUMBER("offset " #type "." #field, offsetof(struct type, field))
#define CONSTANT(name) NUMBER(#name, name)

int main(void)
{
	SIZE(xen_pmu_params);
	FIELD(xen_pmu_params, version.maj);
	FIELD(xen_pmu_params, version.min);
	FIELD(xen_pmu_params, val);
	FIELD(xen_pmu_params, vcpu);

	SIZE(xen_pmu_data);
	FIELD(xen_pmu_data, vcpu_id);
	FIELD(xen_pmu_data, pcpu_id);
	FIELD(xen_pmu_data, domain_id);
	FIELD(xen_pmu_data, pmu);
	FIELD(xen_pmu_data, pmu.r.regs);
	FIELD(xen_pmu_data, pmu.pmu_flags);
	FIELD(xen_pmu_data, pmu.l.lapic_lvtpc);
	FIELD(xen_pmu_data, pmu.c);

	SIZE(xen_pmu_regs);
	FIELD(xen_pmu_regs, ip);
	FIELD(xen_pmu_regs, sp);
	FIELD(xen_pmu_regs, flags);
	FIELD(xen_pmu_regs, cs);
	FIELD(xen_pmu_regs, ss);
	FIELD(xen_pmu_regs, cpl);

	SIZE(xen_pmu_amd_ctxt);
	FIELD(xen_pmu_amd_ctxt, counters);
	FIELD(xen_pmu_amd_ctxt, ctrls);
	FIELD(xen_pmu_amd_ctxt, regs);

	SIZE(xen_pmu_cntr_pair);
	FIELD(xen_pmu_cntr_pair, counter);
	FIELD(xen_pmu_cntr_pair, control);

	SIZE(xen_pmu_intel_ctxt);
	FIELD(xen_pmu_intel_ctxt, fixed_counters);
	FIELD(xen_pmu_intel_ctxt, arch_counters);
	FIELD(xen_pmu_intel_ctxt, global_ctrl);
	FIELD(xen_pmu_intel_ctxt, global_ovf_ctrl);
	FIELD(xen_pmu_intel_ctxt, global_status);
	FIELD(xen_pmu_intel_ctxt, fixed_ctrl);
	FIELD(xen_pmu_intel_ctxt, ds_area);
	FIELD(xen_pmu_intel_ctxt, pebs_enable);
	FIELD(xen_pmu_intel_ctxt, debugctl);
	FIELD(xen_pmu_intel_ctxt, regs);

	CONSTANT(XENPMU_VER_MAJ);
	CONSTANT(XENPMU_VER_MIN);
	CONSTANT(XENPMU_mode_get);
	CONSTANT(XENPMU_mode_set);
	CONSTANT(XENPMU_feature_get);
	CONSTANT(XENPMU_feature_set);
	CONSTANT(XENPMU_init);
	CONSTANT(XENPMU_finish);
	CONSTANT(XENPMU_lvtpc_set);
	CONSTANT(XENPMU_flush);
	CONSTANT(XENPMU_MODE_OFF);
	CONSTANT(XENPMU_MODE_SELF);
	CONSTANT(XENPMU_MODE_HV);
	CONSTANT(XENPMU_MODE_ALL);
	CONSTANT(XENPMU_FEATURE_INTEL_BTS);
	CONSTANT(XENPMU_REGS_PAD_SZ);
	CONSTANT(XENPMU_CTXT_PAD_SZ);
	CONSTANT(PMU_CACHED);
	CONSTANT(PMU_SAMPLE_USER);
	CONSTANT(PMU_SAMPLE_REAL);
	CONSTANT(PMU_SAMPLE_PV);
	CONSTANT(__HYPERVISOR_xenpmu_op);
	CONSTANT(VIRQ_XENPMU);
	CONSTANT(DOMID_SELF);
	CONSTANT(DOMID_XEN);
	return 0;
}
