;; WASI preview 1 with nothing behind it, for plugins whose language insists on it: no files, no arguments, no
;; environment. What is printed goes to the plugin's log. No call but that one leaves the plugin, so that a garbage
;; collector may ask for the time whenever it likes, even while the gateway hands over arguments.
(module
  (import "env" "memory" (memory 0))
  (import "sluice:plugin/log@0.1.0" "log" (func $log (param $level i32) (param $text i32) (param $size i32)))

  ;; Nanoseconds by a clock that moves when it is looked at.
  (global $now (mut i64) (i64.const 0))
  ;; The state of a generator that is the same in every instance: enough for a seed of hash tables.
  (global $seed (mut i64) (i64.const 0x5DEECE66D2B9A1C7))
  ;; How often it was asked.
  (global $asked (mut i32) (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $to i32) (result i32)
    (global.set $now (i64.add (global.get $now) (i64.const 1000)))
    (i64.store align=1 (local.get $to) (global.get $now))
    (i32.const 0))

  (func (export "clock_res_get") (param $clock i32) (param $to i32) (result i32)
    (i64.store align=1 (local.get $to) (i64.const 1000))
    (i32.const 0))

  (func (export "random_get") (param $to i32) (param $size i32) (result i32)
    (if (i32.ge_u (global.get $asked) (i32.const 1)) (then unreachable))
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $size)))
        ;; Xorshift.
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shr_u (global.get $seed) (i64.const 7))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 17))))
        (i64.store8 (local.get $to) (i64.shr_u (global.get $seed) (i64.const 24)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $more)))
    (i32.const 0))

  ;; Arguments and environment: none.
  (func $none (export "args_sizes_get") (export "environ_sizes_get") (param $count i32) (param $size i32) (result i32)
    (i32.store align=1 (local.get $count) (i32.const 0))
    (i32.store align=1 (local.get $size) (i32.const 0))
    (i32.const 0))
  (func (export "args_get") (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) unreachable)

  ;; Standard input, output and error are there; nothing else is.
  (func (export "fd_fdstat_get") (param $file i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $file) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store align=1 (local.get $to) (i64.const 2))
    (i64.store offset=8 align=1 (local.get $to) (i64.const -1))
    (i64.store offset=16 align=1 (local.get $to) (i64.const -1))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))

  ;; The end of standard input.
  (func (export "fd_read") (param $file i32) (param i32 i32) (param $read i32) (result i32)
    (i32.store align=1 (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; Each piece is a line of the log, if it is text.
  (func (export "fd_write") (param $file i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $text i32) (local $size i32) (local $sum i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $text (i32.load align=1 (local.get $pieces)))
        (local.set $size (i32.load offset=4 align=1 (local.get $pieces)))
        (if (i32.and (i32.ne (local.get $size) (i32.const 0)) (call $is_text (local.get $text) (local.get $size)))
          (then (call $log (i32.const 2) (local.get $text) (local.get $size))))
        (local.set $sum (i32.add (local.get $sum) (local.get $size)))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
    (i32.store align=1 (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; Whether it is UTF-8 (RFC 3629).
  (func $is_text (param $at i32) (param $size i32) (result i32)
    (local $end i32) (local $lead i32) (local $next i32) (local $rest i32) (local $low i32) (local $high i32)
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $lead (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $lead) (i32.const 0x80)))
        (if (i32.or (i32.lt_u (local.get $lead) (i32.const 0xC2)) (i32.gt_u (local.get $lead) (i32.const 0xF4)))
          (then (return (i32.const 0))))
        (local.set $rest (i32.add (i32.const 1)
          (i32.add (i32.ge_u (local.get $lead) (i32.const 0xE0)) (i32.ge_u (local.get $lead) (i32.const 0xF0)))))
        ;; The second byte's range: neither longer than need be, nor a surrogate, nor past the last character.
        (local.set $low (i32.const 0x80))
        (local.set $high (i32.const 0xBF))
        (if (i32.eq (local.get $lead) (i32.const 0xE0)) (then (local.set $low (i32.const 0xA0))))
        (if (i32.eq (local.get $lead) (i32.const 0xED)) (then (local.set $high (i32.const 0x9F))))
        (if (i32.eq (local.get $lead) (i32.const 0xF0)) (then (local.set $low (i32.const 0x90))))
        (if (i32.eq (local.get $lead) (i32.const 0xF4)) (then (local.set $high (i32.const 0x8F))))
        (loop $tail
          (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
          (local.set $next (i32.load8_u (local.get $at)))
          (if (i32.or (i32.lt_u (local.get $next) (local.get $low)) (i32.gt_u (local.get $next) (local.get $high)))
            (then (return (i32.const 0))))
          (local.set $low (i32.const 0x80))
          (local.set $high (i32.const 0xBF))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $rest (i32.sub (local.get $rest) (i32.const 1)))
          (br_if $tail (local.get $rest)))
        (br $more)))
    (i32.const 1))

  ;; All else isn't supported (52, `nosys`).
  (func (export "fd_close") (export "fd_datasync") (export "fd_sync") (param i32) (result i32) (i32.const 52))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "fd_filestat_get") (export "fd_renumber") (export "fd_tell") (export "sock_shutdown")
    (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_prestat_dir_name") (export "path_create_directory") (export "path_remove_directory")
    (export "path_unlink_file") (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_get") (export "path_symlink") (export "sock_send") (param i32 i32 i32 i32 i32)
    (result i32) (i32.const 52))
  (func (export "path_readlink") (export "path_rename") (export "sock_recv") (param i32 i32 i32 i32 i32 i32)
    (result i32) (i32.const 52))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_advise") (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_allocate") (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 52))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 52))
  (func (export "fd_pread") (export "fd_pwrite") (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32)
    (i32.const 52))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 52))
)
