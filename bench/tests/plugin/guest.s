# A guest whose counts are known: it starts as Linux does, in both halves of the
# addresses, and has the functions of Linux by which the plugin finds its way. The
# expectations in main.rs say line by line what is to be counted.
#
# It halts until a byte comes on the serial line, so that counting can begin; works;
# says `done`, and halts for good.

.set LINKED, 0xffffffff80000000         # where it is linked, less where it is loaded
.set COM1, 0x3f8
.set PAGE_FLAGS, 0x87                   # present, writable, of user mode, 2 MiB
.set TABLE_FLAGS, 0x7
.set MISSING, 40                        # a page that a page fault maps to 8 MiB
.set MISSING_AT, LINKED + (MISSING << 21)
.set APIC_AT, LINKED + (41 << 21)
.set APIC, 0xfee00000

.macro mark number
        .byte 0x0f, 0x1f, 0x80          # nopl disp32(%rax)
        .long 0x41500000 | \number
.endm

.macro function name
        .globl \name
        .type \name, @function
\name:
.endm

.section .note.pvh, "a", @note
        .long 4, 8, 18                  # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .quad pvh_start_xen - LINKED

.text
.code32
function pvh_start_xen
        movl $(tables - LINKED), %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax                 # PAE
        movl %eax, %cr4
        movl $0xc0000080, %ecx          # EFER: SCE, LME
        movl $0x101, %eax
        xorl %edx, %edx
        wrmsr
        movl %cr0, %eax
        orl $0x80010000, %eax           # PG, WP
        movl %eax, %cr0
        lgdt gdt_pointer - LINKED
        ljmp $0x8, $(long_mode - LINKED)
.code64
long_mode:
        movq $start_kernel, %rax
        jmp *%rax

function start_kernel
        movq $task_1_top, %rsp
        movl $0x10, %eax
        movl %eax, %ss
        lgdt gdt_pointer_high(%rip)
        lidt idt_pointer(%rip)
        movl $0xc0000081, %ecx          # STAR
        xorl %eax, %eax
        movl $0x00180008, %edx
        wrmsr
        movl $0xc0000082, %ecx          # LSTAR
        movq $entry_SYSCALL_64, %rax
        movq %rax, %rdx
        shrq $32, %rdx
        wrmsr
        movl $0xc0000084, %ecx          # SFMASK
        movl $0x200, %eax
        xorl %edx, %edx
        wrmsr
        call gates
        call devices
        leaq ready(%rip), %rsi
        call say
        sti
        hlt                             # counting begins
        cli
        call work
        movq $user - LINKED, %rcx
        movl $2, %r11d
        sysretq

# Sets up four gates, for the stubs that count.
gates:
        movq $.Lserial, %rax
        leaq idt + 0x24 * 16(%rip), %rdi
        call gate
        movq $.Lsoft, %rax
        leaq idt + 0x30 * 16(%rip), %rdi
        call gate
        movq $asm_sysvec_reschedule_ipi, %rax
        leaq idt + 0x31 * 16(%rip), %rdi
        call gate
        movq $asm_exc_page_fault, %rax
        leaq idt + 14 * 16(%rip), %rdi
gate:
        movw %ax, (%rdi)
        movl $0x8e000008, 2(%rdi)
        shrq $16, %rax
        movw %ax, 6(%rdi)
        shrq $16, %rax
        movl %eax, 8(%rdi)
        ret

# Interrupt 4 alone comes, as vector 0x24; the serial line raises it.
devices:
        .irp pair, 0x1120, 0x2021, 0x0421, 0x0121, 0xef21, 0xffa1
        movb $\pair >> 8, %al
        outb %al, $\pair & 0xff
        .endr
        movw $COM1 + 1, %dx
        movb $1, %al
        outb %al, %dx
        movw $COM1 + 4, %dx
        movb $0xb, %al
        outb %al, %dx
        ret

# Writes the string at %rsi.
say:
        movw $COM1, %dx
1:      lodsb
        testb %al, %al
        jz 2f
        outb %al, %dx
        jmp 1b
2:      ret

# What is counted, by function.
function work
        call plain
        call copy
        call ports
        call others
        call driver
        ret

function plain
        movl $1000, %ecx
1:      decl %ecx
        jnz 1b
        ret

function copy
        leaq scratch(%rip), %rsi
        leaq 4096(%rsi), %rdi
        movl $4096, %ecx
        rep movsb
        movl $512, %ecx
        rep stosq
        xorl %ecx, %ecx
        rep movsb
        ret

function ports
        .rept 7
        outb %al, $0x80
        .endr
        inb $0x80, %al
        leaq scratch(%rip), %rsi
        movl $0x80, %edx
        movl $5, %ecx
        rep outsb
        ret

function others
        .rept 3
        xorl %eax, %eax
        cpuid
        .endr
        movl $0xc0000102, %ecx          # KERNEL_GS_BASE
        wrmsr
        wrmsr
        movq $APIC_AT, %rsi
        movl 0x20(%rsi), %eax
        movl 0x20(%rsi), %eax
        movl %eax, 0x80(%rsi)
        movl %eax, 0x380(%rsi)          # sets the timer, which is masked
        movl scratch(%rip), %eax
        ret

function driver
        call kmem_cache_alloc_noprof
        call kmem_cache_alloc_noprof
        ret

function kmem_cache_alloc_noprof
        ret

function untouched
        ret

# The way into the kernel and out of it.
function entry_SYSCALL_64
        movq %rsp, user_stack(%rip)
        leaq task_1_top(%rip), %rsp
        pushq %rcx
        call *calls(,%rax,8)
        popq %rcx
        movq user_stack(%rip), %rsp
        movl $2, %r11d
        sysretq

function __x64_sys_getpid
        movl $1, %eax
        ret

# Copies, and takes a page fault the first time.
function __x64_sys_read
        movq $MISSING_AT, %rsi
        movb (%rsi), %al
        leaq scratch(%rip), %rdi
        movl $100, %ecx
        rep movsb
        ret

# Is interrupted, the second time by what runs softirqs.
function __x64_sys_write
        nop
        int $0x30
        int $0x31
        nop
        ret

# Lets the other task work.
function __x64_sys_nanosleep
        call __switch_to_asm
        ret

# Runs softirqs, on a stack of their own (`do_softirq_own_stack`).
function __x64_sys_shutdown
        nop
        call do_softirq
        nop
        ret

function do_softirq
        leaq softirq_top(%rip), %r11
        movq %rsp, (%r11)
        movq %r11, %rsp
        call __do_softirq
        popq %rsp
        ret

function __do_softirq
        xorl %edi, %edi
        jmp handle_softirqs

# Is interrupted, and returns as a kernel with mitigations does.
function handle_softirqs
        call net_rx_action
        int $0x30
        jmp __x86_return_thunk

function net_rx_action
        nop
        ret

function __x86_return_thunk
        ret

function __switch_to_asm
        pushq %rbp
        pushq %rbx
        xchgq %rsp, other(%rip)
        popq %rbx
        popq %rbp
        ret

# Never returns.
function __x64_sys_exit_group
        leaq done(%rip), %rsi
        call say
        cli
        hlt

# The other task, first entered from __switch_to_asm.
function other_task
        call plain
        call __switch_to_asm
        jmp other_task

        .balign 8
function irq_entries_start
.Lserial:
        pushq $0x24
        jmp asm_common_interrupt
        .balign 8
.Lsoft:
        pushq $0x30
        jmp asm_common_interrupt

function asm_common_interrupt
        pushq %rax
        pushq %rdx
        movw $COM1, %dx
        inb %dx, %al
        movb $0x20, %al
        outb %al, $0x20
        popq %rdx
        popq %rax
        addq $8, %rsp
        iretq

function asm_sysvec_reschedule_ipi
        call __do_softirq
        iretq

function asm_exc_page_fault
        movq $(8 << 20) | PAGE_FLAGS, directory + MISSING * 8(%rip)
        addq $8, %rsp
        iretq

# Executed in the lower half.
user:
        mark 1
        mark 0

        mark 2
        movl $5, %ecx
1:      decl %ecx
        jnz 1b
        mark 0

        movl $3, %ebx
2:      movl $0, %eax
        mark 3
        syscall
        mark 0
        decl %ebx
        jnz 2b

        movl $2, %ebx
3:      movl $1, %eax
        mark 4
        syscall
        mark 0
        decl %ebx
        jnz 3b

        movl $2, %eax
        mark 5
        syscall
        mark 0

        movl $3, %eax
        mark 6
        syscall
        mark 0

        movl $4, %eax
        mark 7
        syscall
        mark 0

        movl $5, %eax
        syscall

.data
ready:  .asciz "ready\n"
done:   .asciz "done\n"
        .balign 8
calls:  .quad __x64_sys_getpid, __x64_sys_read, __x64_sys_write
        .quad __x64_sys_nanosleep, __x64_sys_shutdown, __x64_sys_exit_group
        .fill 64, 8, 0                  # the stack of softirqs
softirq_top: .quad 0
user_stack: .quad 0
other:  .quad task_2_top - 24
gdt:    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
        .quad 0, 0x00cff2000000ffff, 0x00affa000000ffff
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt - LINKED
gdt_pointer_high:
        .word gdt_end - gdt - 1
        .quad gdt
idt_pointer:
        .word 0x32 * 16 - 1
        .quad idt

        .balign 4096
tables: .quad upper - LINKED + TABLE_FLAGS
        .fill 510, 8, 0
        .quad upper - LINKED + TABLE_FLAGS
# The same memory from 0 and from LINKED.
upper:  .quad directory - LINKED + TABLE_FLAGS
        .fill 509, 8, 0
        .quad directory - LINKED + TABLE_FLAGS, 0
directory:
        .set page, 0
        .rept MISSING
        .quad (page << 21) | PAGE_FLAGS
        .set page, page + 1
        .endr
        .quad 0, APIC | PAGE_FLAGS
        .fill 470, 8, 0
idt:    .fill 0x32 * 2, 8, 0
        .balign 4096
scratch:
        .fill 8192, 1, 0

# A kernel stack is found by its alignment.
        .balign 16384
        .fill 16384, 1, 0
task_1_top:
        .fill 16384 - 24, 1, 0
        .quad 0, 0, other_task
task_2_top:
