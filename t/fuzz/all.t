#!/bin/bash
# Every parser of what strangers, sessions and the far ends of links say, against bytes that nobody would send.
#
#   t/fuzz/all.t [TARGET]...      FUZZ_SECONDS=N for each (20); FUZZ_KEEP=FOLDER keeps what was found to be new, and what failed
#
# With clang these are libFuzzer's targets, else (and with FUZZ_CC=gcc) programs with a driver of their own (t/fuzz/fuzz.c), with AddressSanitizer and
# UndefinedBehaviorSanitizer either way.  BUILD= is the build tree, for what is generated.
. "$(dirname "$0")/../lib/tap.sh"
HERE=$TAP_HERE
SECONDS_EACH=${FUZZ_SECONDS:-20}
BUILD=${BUILD:-$HERE/build}
[ -e "$BUILD/store/stored/schema.inc" ] || skip_all "no build tree in $BUILD: BUILD=, after make"
need python3 gcc
scratch
SEEDS=$SCRATCH/seeds
python3 -B "$HERE/t/fuzz/seeds.py" "$HERE" "$SEEDS" || bail "no seeds"

BASE="base/bucket.c base/buf.c base/conf.c base/conf_check.c base/conf_cpus.c base/conf_exit.c base/conf_form.c base/conf_host.c base/conf_reader.c
    base/conf_text.c base/conf_value.c base/conf_words.c base/err.c base/io.c base/json.c base/link.c base/loop.c base/mem.c base/msg.c base/name.c
    base/net.c base/rate.c base/rights.c"
STORED=$(cd "$HERE" && ls store/stored/*.c | grep -vE '/(main|aid|lock|password|pwhash)\.c$')
# TARGET|sources|libraries
TARGETS="
keys|store/stored/keys.c store/stored/keyfile.c store/stored/key_options.c store/stored/key_from.c store/stored/key_command.c|-lsodium
ini|sshd/supervisor/ini.c|-linih
text|sshd/session/scp_line.c sshd/session/scp_glob.c sshd/session/rsync_args.c sshd/session/display.c sshd/files/deny.c|
msg||
orders|sshd/supervisor/order.c sshd/supervisor/tool.c|
store|$STORED|-lsqlite3 -lsodium -loath
sandbox|sandbox/launch/plan.c sandbox/filter/read.c sandbox/filter/rules.c sandbox/filter/state.c sandbox/lock/change.c sandbox/lock/policy_emit.c|
policyc|sandbox/lock/policy_emit.c|-lseccomp
"

if [ "${FUZZ_CC:-clang}" = clang ] && command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(void *p, unsigned long n) { return p == (void *)n; }' |
    clang -x c -fsanitize=fuzzer,address - -o "$SCRATCH/try" 2>/dev/null; then
    CC=(clang -O1 -DLIBFUZZER -fsanitize=fuzzer,address,undefined)
else
    CC=(gcc -O1 -fsanitize=address,undefined)
fi
CC+=(-g -w -std=gnu11 -D_GNU_SOURCE -DHOLDFAST_LIBEXEC='"/nonexistent"' -DHOLDFAST_SYSCONF='"/nonexistent"'
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer "-I$HERE" "-I$BUILD" "-I$BUILD/store/stored" "-I$BUILD/sandbox/lock")
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:handle_abort=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
# The log is the harness's: what would be written is formatted and dropped.
compile() {   # TARGET SOURCES LIBRARIES
    local target=$1 sources=$2 libraries=$3 defined=()
    [ "$target" != orders ] || defined=(-DVERSION='"fuzz"')
    (cd "$HERE" && "${CC[@]}" -Dlog_line=log_line_of_base -c base/log.c -o "$SCRATCH/$target.log.o" &&
        "${CC[@]}" ${defined[@]+"${defined[@]}"} "t/fuzz/$target.c" t/fuzz/fuzz.c $sources $BASE "$SCRATCH/$target.log.o" $libraries -o "$SCRATCH/$target")
}

fuzz() {
    local target=$1 folder=$SCRATCH/$1.found
    mkdir -p "$folder" "$SCRATCH/run.$target"
    run bash -c 'cd "$1" && shift && exec timeout -k 10 "$@"' - "$SCRATCH/run.$target" $((SECONDS_EACH + 60)) nice "$SCRATCH/$target" -max_total_time="$SECONDS_EACH" \
        -timeout=15 -rss_limit_mb=0 -max_len=8192 -print_final_stats=1 "-artifact_prefix=$SCRATCH/failed.$target." "$folder" "$SEEDS/$target"
    if [ $rc = 0 ]; then
        pass "$target: $(grep -oE 'Done [0-9]+ runs' <<<"$err" | tail -n 1)"
    else
        fail "$target"
        diag "$(sed -n '/ERROR: \|runtime error\|^die\|^bug/,$p' <<<"$err" | head -n 40 | cut -c1-200)"
    fi
    [ -z "${FUZZ_KEEP:-}" ] || { mkdir -p "$FUZZ_KEEP/$target"; cp -n "$folder"/* "$SCRATCH"/failed."$target".* "$FUZZ_KEEP/$target/" 2>/dev/null; true; }
}

RUN_BOUND=$((SECONDS_EACH + 120))
while IFS='|' read -r target sources libraries; do
    [ -n "$target" ] || continue
    [ $# = 0 ] || [[ " $* " == *" $target "* ]] || continue
    case $target in ini|orders) [ "$(id -u)" = 0 ] || { skip "$target" "needs root: it reads root's files only"; continue; } ;; esac
    run compile "$target" "$sources" "$libraries"
    [ $rc = 0 ] || { fail "$target is compiled"; diag "$(head -n 20 <<<"$err")"; continue; }
    fuzz "$target"
done < <(tr '\n' ' ' <<<"$TARGETS" | sed -E 's/ (keys|ini|text|msg|orders|store|sandbox|policyc)\|/\n\1|/g'; echo)
# Those with drivers of their own, which make what they try and count their runs.
while read -r target runs; do
    [ $# = 0 ] || [[ " $* " == *" $target "* ]] || continue
    if [ -x "$BUILD/t/fuzz/$target" ]; then
        ok "$target: $runs runs" nice "$BUILD/t/fuzz/$target" -n "$runs" -s $RANDOM
    else
        skip "$target" "make check TESTS= builds it"
    fi
done <<<$'sftp 3000\ncert 20000'
done_testing
