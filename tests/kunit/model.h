/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of Xen's virtual PMU, as a PV guest sees it.
 *
 * The model is written from what Xen does, surprises included, and knows nothing of the code under
 * test: that code is compared with something that was not derived from it.
 *
 * Three places hold a register, and the model keeps them apart as Xen does: the hardware of a
 * physical CPU (struct model_hw), Xen's private context of a vCPU (struct model_context) and the
 * page shared with the guest.
 *
 * The model is not locked: one thread at a time.
 */
#ifndef XEN_PMU_KUNIT_MODEL_H
#define XEN_PMU_KUNIT_MODEL_H

#include <linux/bits.h>
#include <linux/types.h>
#include <xen/interface/xen.h>
#include <xen/interface/xenpmu.h>

struct kunit;
struct model_vendor_ops;
struct xen_model;

#define MODEL_MAX_GENERAL	10	/* Xen lets a PV guest address eight */
#define MODEL_MAX_FIXED		8
#define MODEL_NR_OPS		8	/* XENPMU_mode_get to XENPMU_flush */
#define MODEL_MAX_MSRS		64	/* registers whose traps are told apart */
#define MODEL_NOBODY		(-1)	/* no vCPU of the modelled domain */

/* The interface header of Linux does not have these two */
#define MODEL_FEATURE_IPC_ONLY	BIT(1)
#define MODEL_FEATURE_ARCH_ONLY	BIT(2)

/* What Xen remembers of a vCPU's vPMU */
#define MODEL_INITIALIZED	BIT(0)
#define MODEL_CONTEXT_ALLOCATED	BIT(1)
#define MODEL_CONTEXT_LOADED	BIT(2)
#define MODEL_RUNNING		BIT(3)
#define MODEL_CONTEXT_SAVE	BIT(4)
#define MODEL_FROZEN		BIT(5)
#define MODEL_CACHED		BIT(7)
#define MODEL_AVAILABLE		BIT(8)
#define MODEL_HAS_DS		BIT(12)

enum model_vendor {
	MODEL_AMD,
	MODEL_INTEL,
};

/**
 * struct model_config - the machine, Xen's command line and the domain
 * @name: for messages
 * @vendor: AMD (Hygon is family 18h) or Intel
 * @family: CPU family; one that Xen does not know makes Xen turn the vPMU off at boot
 * @nr_general: Intel: general counters, at most MODEL_MAX_GENERAL
 * @nr_fixed: Intel: fixed counters, at most MODEL_MAX_FIXED
 * @version: Intel: version of the performance monitoring leaf, Xen knows 2 to 5
 * @full_width: Intel: hardware takes full-width writes to general counters
 * @four_selects: Xen before 4.19.5, 4.20.3 and 4.21.1: a PV guest's accesses to event selects
 *	beyond 189h do not reach the vPMU
 * @msr_relaxed: the domain's accesses to registers that hardware has and Xen does not route read
 *	0 and vanish, instead of raising #GP
 * @dead: counters whose registers do not hold what is written, as bits of IA32_PERF_GLOBAL_CTRL
 * @dead_controls: likewise their controls
 * @mode: XENPMU_MODE_* when the domain is created
 * @features: XENPMU_FEATURE_* and MODEL_FEATURE_*
 * @vpmu: the vPMU is enabled on Xen's command line; without it @mode is ignored
 * @privileged: the domain is dom0
 * @ctrl_boot: AMD: what hardware had in its controls at boot; only the reserved bits matter
 * @nr_vcpus: vCPUs of the domain
 * @nr_pcpus: physical CPUs; vCPU n starts on CPU n while there are enough
 */
struct model_config {
	const char *name;
	enum model_vendor vendor;
	unsigned int family;
	unsigned int nr_general;
	unsigned int nr_fixed;
	unsigned int version;
	bool full_width;
	bool four_selects;
	bool msr_relaxed;
	u64 dead;
	u64 dead_controls;
	unsigned int mode;
	unsigned int features;
	bool vpmu;
	bool privileged;
	u64 ctrl_boot;
	unsigned int nr_vcpus;
	unsigned int nr_pcpus;
};

/**
 * struct model_hw - the PMU of a physical CPU
 * @vcpu: the vCPU that runs here, or MODEL_NOBODY
 * @last_vcpu: the vCPU whose context was saved here last, or MODEL_NOBODY
 * @lvtpc: the local APIC's performance counter entry
 * @counter: general counters, 48 bits
 * @control: their event selects
 * @fixed: fixed counters, 48 bits
 * @fixed_ctrl: their control register
 * @global_ctrl: global enable bits
 * @global_status: overflow bits
 * @ds_area: debug store pointer
 * @lost_pmis: interrupts that overflows asked for while @lvtpc was masked: never repeated
 */
struct model_hw {
	int vcpu;
	int last_vcpu;
	u32 lvtpc;
	u64 counter[MODEL_MAX_GENERAL];
	u64 control[MODEL_MAX_GENERAL];
	u64 fixed[MODEL_MAX_FIXED];
	u64 fixed_ctrl;
	u64 global_ctrl;
	u64 global_status;
	u64 ds_area;
	unsigned long lost_pmis;
};

/**
 * struct model_context - Xen's private copy of a vCPU's registers
 * @counter: general counters
 * @control: their event selects
 * @fixed: fixed counters
 * @fixed_ctrl: their control register
 * @global_ctrl: global enable bits
 * @global_ovf_ctrl: what the next load writes to hardware, once
 * @global_status: overflow bits as the last save found them
 * @ds_area: debug store pointer
 * @pebs_enable: always 0 once verified
 * @debugctl: carried, never used
 * @enabled: Intel: counters enabled in their own controls, as bits of @global_ctrl
 */
struct model_context {
	u64 counter[MODEL_MAX_GENERAL];
	u64 control[MODEL_MAX_GENERAL];
	u64 fixed[MODEL_MAX_FIXED];
	u64 fixed_ctrl;
	u64 global_ctrl;
	u64 global_ovf_ctrl;
	u64 global_status;
	u64 ds_area;
	u64 pebs_enable;
	u64 debugctl;
	u64 enabled;
};

/**
 * struct model_msr_count - traps on one register
 * @msr: its address
 * @reads: trapped reads
 * @writes: trapped writes
 * @gps: of these, those answered with #GP
 */
struct model_msr_count {
	u32 msr;
	unsigned long reads;
	unsigned long writes;
	unsigned long gps;
};

/**
 * struct model_stats - what a vCPU cost
 * @rdmsr: trapped reads of PMU registers
 * @wrmsr: trapped writes of PMU registers
 * @foreign: traps on registers that are no PMU registers of this vendor
 * @gp: accesses answered with #GP
 * @hypercalls: calls by operation, refused ones included
 * @unknown_ops: calls with an operation that does not exist
 * @flush_failed: flushes that Xen answered with EIO
 * @cached_reloads: traps that made Xen load and save the whole context, as the page had it cached
 * @samples: interrupts that filled the page
 * @ignored: interrupts that found the last sample not yet flushed
 * @nr_msrs: entries used in @msrs
 * @msrs: traps by register
 */
struct model_stats {
	unsigned long rdmsr;
	unsigned long wrmsr;
	unsigned long foreign;
	unsigned long gp;
	unsigned long hypercalls[MODEL_NR_OPS];
	unsigned long unknown_ops;
	unsigned long flush_failed;
	unsigned long cached_reloads;
	unsigned long samples;
	unsigned long ignored;
	unsigned int nr_msrs;
	struct model_msr_count msrs[MODEL_MAX_MSRS];
};

/**
 * struct model_vcpu - a vCPU and Xen's state of its vPMU
 * @m: the model
 * @id: number of the vCPU
 * @pcpu: where it runs, or MODEL_NOBODY
 * @flags: MODEL_INITIALIZED and friends
 * @last_pcpu: where its context was saved last; 0 before that, even if it never ran there
 * @lvtpc: what Xen writes to the local APIC for this vCPU
 * @ctx: private context
 * @page: mapped by XENPMU_init until XENPMU_finish: who frees it in between frees too early
 * @virq_pending: VIRQ_XENPMU sent; the test clears it
 * @stats: counted so far
 */
struct model_vcpu {
	struct xen_model *m;
	unsigned int id;
	int pcpu;
	u32 flags;
	unsigned int last_pcpu;
	u32 lvtpc;
	struct model_context ctx;
	struct xen_pmu_data *page;
	unsigned int virq_pending;
	struct model_stats stats;
};

/**
 * struct model_sample - what the next interrupts interrupt
 * @guest: the interrupted domain's registers; @guest.cpl is used for HVM only
 * @xen: Xen's own registers, used if @in_xen and the mode lets dom0 see them
 * @in_xen: the interrupt arrived while Xen ran
 * @user: a PV guest was in user mode
 * @hvm: the interrupted domain is not PV
 * @real: an HVM guest was in real mode
 * @domain: DOMID_SELF for whoever runs on the CPU (idle if MODEL_NOBODY does), else another domain
 * @vcpu: vCPU of @domain if that is another domain
 */
struct model_sample {
	struct xen_pmu_regs guest;
	struct xen_pmu_regs xen;
	bool in_xen;
	bool user;
	bool hvm;
	bool real;
	domid_t domain;
	u32 vcpu;
};

/**
 * struct xen_model - Xen, its machine and one domain
 * @test: owner
 * @cfg: copy of the configuration
 * @ops: vendor's part
 * @enabled: Xen accepted the CPU and its command line asks for a vPMU
 * @core: AMD: family 15h and later, six counters behind their own addresses
 * @nr_general: general counters of the hardware
 * @mode: XENPMU_MODE_* now
 * @features: features now
 * @nr_guest_vpmus: vPMUs of unprivileged domains, which make XENPMU_mode_set busy; a test may add
 * @sample: see model_set_sample()
 * @hw: physical CPUs
 * @vcpus: vCPUs
 *
 * @frame_to_page: resolves the frame given to XENPMU_init, NULL if bad; without it all are bad
 * @virq: called when VIRQ_XENPMU is sent to a vCPU, may come back with accesses and hypercalls
 * @layout: called after XENPMU_init wrote the layout, to damage it
 * @midway: called in the middle of an MSR access, when the context is loaded; Xen has interrupts on
 * @priv: for the test's callbacks
 *
 * @fail_op: what an operation answers instead of doing anything, 0 for no fault
 * @fail_once: bit n set: @fail_op[n] is used once
 * @init_without_layout: XENPMU_init answers 0 and maps the page, but no vPMU came to be
 * @no_memory: Xen cannot map the page
 *
 * @hw_violation: accesses of Xen's own that hardware refused, each the end of the machine
 * @hw_violation_msr: register of the last one
 */
struct xen_model {
	struct kunit *test;
	struct model_config cfg;
	const struct model_vendor_ops *ops;
	bool enabled;
	bool core;
	unsigned int nr_general;
	unsigned int mode;
	unsigned int features;
	unsigned int nr_guest_vpmus;
	struct model_sample sample;
	struct model_hw *hw;
	struct model_vcpu *vcpus;

	struct xen_pmu_data *(*frame_to_page)(struct xen_model *m, u64 frame);
	void (*virq)(struct xen_model *m, unsigned int vcpu);
	void (*layout)(struct xen_model *m, unsigned int vcpu, struct xen_pmu_data *page);
	void (*midway)(struct xen_model *m);
	void *priv;

	int fail_op[MODEL_NR_OPS];
	unsigned long fail_once;
	bool init_without_layout;
	bool no_memory;

	unsigned int hw_violation;
	u32 hw_violation_msr;
};

struct xen_model *model_create(struct kunit *test, const struct model_config *cfg);
void model_destroy(struct xen_model *m);
int model_rdmsr(struct xen_model *m, unsigned int vcpu, u32 msr, u64 *val);
int model_wrmsr(struct xen_model *m, unsigned int vcpu, u32 msr, u64 val);
int model_hypercall(struct xen_model *m, unsigned int vcpu, unsigned int op,
		    struct xen_pmu_params *params);
void model_retire(struct xen_model *m, unsigned int vcpu, bool in_xen, u64 cycles,
		  u64 instructions);
void model_schedule(struct xen_model *m, unsigned int pcpu, int vcpu);
void model_pmi(struct xen_model *m, unsigned int vcpu);
void model_pmi_on(struct xen_model *m, unsigned int pcpu);
void model_set_sample(struct xen_model *m, const struct model_sample *sample);
void model_set_mode(struct xen_model *m, unsigned int mode);
struct model_hw *model_hw_of(struct xen_model *m, unsigned int vcpu);
unsigned long model_traps(struct xen_model *m, unsigned int vcpu, u32 msr, bool write);
void model_reset_stats(struct xen_model *m);

#endif /* XEN_PMU_KUNIT_MODEL_H */
