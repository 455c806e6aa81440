# TAP for bash tests.  Source it, run checks, end with done_testing.  What was put on the clean-up stack runs last in first out,
# whatever ends the test.
#
#   run CMD...             runs it with a bound (RUN_BOUND seconds), leaves $rc $out $err
#   ok DESC CMD...         passes if CMD succeeds; fails and shows its output otherwise
#   nok DESC CMD...        passes if CMD fails (and was not cut by the bound)
#   exits CODE DESC CMD... passes if CMD exits with CODE; leaves $rc $out $err
#   is GOT WANT DESC, isnt, like GOT REGEX DESC, unlike, atmost GOT MOST DESC, atleast GOT LEAST DESC
#   pass DESC, fail DESC, skip DESC WHY, skip_all WHY, bail WHY, diag TEXT...
#   wait_until SECONDS CMD...   polls until CMD succeeds; 1 when it never did
#   cleanup CMD...         pushes one command (words, not a string)
#   scratch                a folder of the test's own in $SCRATCH, removed at the end

set -u
# Debian's programs first: another python3 would lack Debian's modules.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
tap_count=0 tap_failed=0 tap_planned= tap_ended=no tap_stack=()
RUN_BOUND=${RUN_BOUND:-120}
rc=0 out= err=
TAP_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TAP_TMP=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-tap.XXXXXX") || exit 1

tap_exit() {
    local code=$? i
    trap '' INT TERM
    for ((i = ${#tap_stack[@]} - 1; i >= 0; i--)); do
        eval "${tap_stack[i]}" >"$TAP_TMP/cleanup" 2>&1 || {
            diag "clean-up failed: ${tap_stack[i]}"
            diag "$(tail -n 20 "$TAP_TMP/cleanup")"
            tap_late "clean-up: ${tap_stack[i]}"
        }
    done
    rm -rf --one-file-system "$TAP_TMP"
    if [ $tap_ended = yes ]; then
        [ -n "$tap_planned" ] || echo "1..$tap_count"
    elif [ "$tap_ended" = no ]; then
        echo "Bail out! ended before done_testing (exit $code)"
        exit 1
    fi
    [ $tap_failed -eq 0 ] || exit 1
    exit 0
}
trap tap_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' HUP
trap '' PIPE      # a client that has gone is a failed test, not the end of all

cleanup() { tap_stack+=("$(printf '%q ' "$@")"); }
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
plan() { tap_planned=$1; echo "1..$1"; }
# A failed clean-up is a failed test of its own.
tap_late() { [ -n "$tap_planned" ] && { tap_failed=$((tap_failed + 1)); return; }; fail "$1"; }

pass() { tap_count=$((tap_count + 1)); echo "ok $tap_count - $1"; }
fail() {
    tap_count=$((tap_count + 1)); tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
    local i
    for ((i = 1; i < ${#BASH_SOURCE[@]} - 1; i++)); do [[ ${BASH_SOURCE[i]} == */tap.sh ]] || break; done
    diag "at ${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}"
}
skip() { tap_count=$((tap_count + 1)); echo "ok $tap_count - $1 # SKIP $2"; }
skip_all() { tap_planned=0 tap_ended=yes; echo "1..0 # SKIP $1"; exit 0; }
bail() { tap_ended=bailed tap_failed=1; echo "Bail out! $*"; exit 1; }
done_testing() { tap_ended=yes; }

run() {
    case $(type -t "$1") in
    function|builtin) "$@" >"$TAP_TMP/out" 2>"$TAP_TMP/err"; rc=$? ;;     # timeout(1) cannot run these
    *) timeout -k 5 "$RUN_BOUND" "$@" >"$TAP_TMP/out" 2>"$TAP_TMP/err" </dev/null; rc=$? ;;
    esac 2>/dev/null
    out=$(tr -d '\0' <"$TAP_TMP/out"; echo x); out=${out%x}; out=${out%$'\n'}
    err=$(tr -d '\0' <"$TAP_TMP/err"; echo x); err=${err%x}; err=${err%$'\n'}
    return 0
}
tap_show() {
    local command=$*
    diag "command: ${command:0:400}"
    diag "exit code: $rc"
    [ -z "$out" ] || diag "$(printf 'stdout: %s' "$out" | head -n 15 | cut -c1-400)"
    [ -z "$err" ] || diag "$(printf 'stderr: %s' "$err" | head -n 15 | cut -c1-400)"
}
ok() {
    local desc=$1; shift
    run "$@"
    if [ $rc -eq 0 ]; then pass "$desc"; else fail "$desc"; tap_show "$*"; fi
}
nok() {
    local desc=$1; shift
    run "$@"
    if [ $rc -ne 0 ] && [ $rc -ne 124 ] && [ $rc -ne 137 ]; then pass "$desc"; else fail "$desc"; tap_show "$*"; fi
}
exits() {
    local want=$1 desc=$2; shift 2
    run "$@"
    if [ "$rc" = "$want" ]; then pass "$desc"; else fail "$desc"; diag "wanted exit code $want"; tap_show "$*"; fi
}
is() {
    if [ "$1" = "$2" ]; then pass "$3"; else fail "$3"; diag "$(printf 'got:    %s\nwanted: %s' "${1:0:800}" "${2:0:800}")"; fi
}
isnt() {
    if [ "$1" != "$2" ]; then pass "$3"; else fail "$3"; diag "got what it should not be: ${1:0:800}"; fi
}
like() {
    if [[ $1 =~ $2 ]]; then pass "$3"; else fail "$3"; diag "$(printf 'got:        %s\nno match of: %s' "${1:0:800}" "$2")"; fi
}
unlike() {
    if [[ ! $1 =~ $2 ]]; then pass "$3"; else fail "$3"; diag "$(printf 'got:     %s\nmatches: %s' "${1:0:800}" "$2")"; fi
}
tap_number() { [[ $1 =~ ^-?[0-9]+$ ]]; }
atmost() {
    if tap_number "$1" && [ "$1" -le "$2" ]; then pass "$3 ($1)"; else fail "$3"; diag "got ${1:-nothing}, at most $2 allowed"; fi
}
atleast() {
    if tap_number "$1" && [ "$1" -ge "$2" ]; then pass "$3 ($1)"; else fail "$3"; diag "got ${1:-nothing}, at least $2 wanted"; fi
}

wait_until() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)); shift
    while :; do
        "$@" >/dev/null 2>&1 && return 0
        [ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
        sleep 0.05
    done
}
scratch() {
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-test.XXXXXX") || bail "no scratch folder"
    cleanup rm -rf --one-file-system "$SCRATCH"
}
now_us() { echo "${EPOCHREALTIME/./}"; }
need() {
    local p
    for p in "$@"; do command -v "$p" >/dev/null || skip_all "$p is not installed"; done
}
need_root() { [ "$(id -u)" = 0 ] || skip_all "needs root"; }
# Lines "ok WORDS" and "not ok WORDS" of a helper program in FILE become tests; others become diagnostics.
import_results() {
    local line
    while IFS= read -r line; do
        case $line in
        "ok "*) pass "$2${line#ok }" ;;
        "not ok "*) fail "$2${line#not ok }" ;;
        "skip "*) skip "$2${line#skip }" "see above" ;;
        *) diag "$line" ;;
        esac
    done <"$1"
}
