#!/bin/bash
# Prompts and consoles as a person has them: a real client on a real terminal, and the screen looked at.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
python3 -c 'import pyte' 2>/dev/null || skip_all "python3-pyte is not installed"
scratch
cat >"$SCRATCH/more.ini" <<'END'
[server one]
allow = bob: status console logs
END
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/echo"
touch "$SCRATCH/a file"
{
    echo "mkdir /one/folder"
    printf 'put "%s" "/one/folder/a file"\n' "$SCRATCH/a file"
    for i in {1..300}; do printf 'put "%s" "/one/folder/many%d"\n' "$SCRATCH/a file" "$i"; done
} | batch alice >/dev/null
processes() { role_pids prompt | wc -l; }
none() { [ "$(processes)" = 0 ]; }
# PART...
try() {
    timeout 400 "$HERE/t/lib/prompt_try.py" "$PREFIX" "$1" >"$SCRATCH/out" 2>&1
    local code=$?
    import_results "$SCRATCH/out" "$1: "
    is $code 0 "$1: went to its end"
    ok "$1: no editor is left" wait_until 20 none
}
for part in ${PARTS:-editing completion verbs console alone}; do try "$part"; done
ptys=$(ls /dev/pts | wc -l)
for part in ${LATER-killed refused many}; do try "$part"; done
atmost "$(ls /dev/pts | wc -l)" "$ptys" "no terminal is left"
is "$(ls -l /proc/"$SERVER_PID"/fd | grep -c 'ptmx\|/dev/pts')" 0 "the daemon has none open"
ok "the daemon is up" daemon_up
is "$(grep -c 'BUG\|invariant\|broke a rule' "$LOG")" 0 "nobody broke a rule"
is "$(grep -c 'seccomp\|signal 31' "$LOG")" 0 "nor a lock"
done_testing
