#!/bin/bash
# The numbers of disks: all that show them show the same, `quota check` compares them with a count of all files, and a disk that fills is told of.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
rig_up
ONE=$PREFIX/state/servers/one
tool() { timeout 60 "$TOOL" --run "$RUN" "$@"; }
of() { python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
    if o["server"] == sys.argv[1]:
        print(*(o.get(k) for k in sys.argv[2:]))' "$@"; }
hf alice quota >/dev/null
hf bob quota >/dev/null

# --- check -----------------------------------------------------------------------------------------------------------------------------

run tool quota check
is "$rc" 0 "fresh disks: nothing differs"
is "$(grep -c ': equal$' <<<"$out")" 3 "all three were looked at"
like "$out" 'apart +4096 bytes +1 inodes +\(the top directory' "what no limit counts is named"
as_server one bash -c '
    mkdir -p a/b/c; for i in $(seq 300); do echo $i >a/b/f$i; done; head -c 5M /dev/urandom >big; ln big a/big; truncate -s 1G holes
    ln -s $(printf "%0200d" 1) long; mkfifo fifo; for i in $(seq 600); do mkdir a/$(printf "%0100d" $i); done; head -c 300000 /dev/zero >>holes'
# An extent tree with blocks of its own.
as_server one python3 -c '
f = open("pieces", "wb")
for i in range(2000):
    f.seek(i * 16384)
    f.write(b"x")'
sync -f "$ONE"
run tool quota check one --json
is "$rc" 0 "directories, holes, links, extents: the kernel's numbers are the count's"
is "$(of one equal difference inodes_difference unseen <<<"$out")" "True 0 0 0" "to the byte and the inode"
ok "keys of --json" json_ok server backend used inodes_used counted inodes_counted apart difference unseen leased equal reason <<<"$out"
as_server one setfattr -n user.x -v "$(head -c 1000 /dev/zero | tr '\0' y)" big 2>/dev/null
exits 0 "an extended attribute with a block of its own" tool quota check one

# The same numbers wherever they are shown.
used=$(tool quota list --json | of one used inodes_used limit inodes_limit)
is "$(hf alice quota one --json | of one used inodes_used limit inodes_limit)" "$used" "quota over ssh and quota list"
is "$(hf alice status one --json | of one disk_used)" "${used%% *}" "status"
is "$(hf alice df /one | awk 'NR == 2 { print $3 }')" $((${used%% *} / 1024)) "df"
is "$(hf alice du one --json | of one bytes)" $((${used%% *} + 4096)) "du, with the top directory"

# What a count cannot find.
as_server one bash -c 'exec 9>gone; head -c 200000 /dev/zero >&9; rm gone; touch ready; for i in $(seq 300); do [ ! -e stop ] || break; sleep 0.1; done' & holder=$!
wait_until 10 test -e "$ONE/ready"
sync -f "$ONE"
exits 1 "a file that was deleted and is open: 1" tool quota check one
like "$out" 'DIFFERS' "said"
like "$out" 'used but in no file: files that were deleted and are still open' "with the reason"
like "$out" 'difference +-20[0-9]{4} bytes +-1 inodes' "and how much"
like "$err" '1 server where' "on stderr in short"
as_server one touch stop
wait $holder
equal_again() { tool quota check one >/dev/null 2>&1; }
ok "closed, and all is equal again" wait_until 10 equal_again
as_server one bash -c "mkdir -m 0700 shut; echo x >shut/x"; chown "$(($(stat -c %u "$ONE") + 1))" "$ONE/shut"
exits 1 "a directory that the server's user cannot read" tool quota check one
like "$out" 'cannot read were not counted' "is the reason then"
rm -r "$ONE/shut"
exits 1 "an unknown server" tool quota check nobody
exits 2 "an unknown word" tool quota mend one
exits 2 "no word" tool quota
# Written to while it is counted: still no false alarm once it rests, and never a count that hangs.
as_server one bash -c 'for i in $(seq 2000); do head -c 3000 /dev/zero >w$((i % 50)); done' & writer=$!
for _ in 1 2 3; do run tool quota check one; atmost "$rc" 1 "while it is written to: an answer"; done
wait $writer
sync -f "$ONE"
exits 0 "and equal at rest" tool quota check one
no_count() { [ -z "$(role_pids count)" ]; }
ok "no count is left running" wait_until 10 no_count
# One that is given up.
as_server one bash -c 'for i in $(seq 8000); do : >a/n$i; done'
for i in 1 2 3; do
    timeout 30 "$TOOL" --run "$RUN" quota check >/dev/null 2>&1 & p=$!
    sleep 0.0$i; kill $p 2>/dev/null; wait $p 2>/dev/null
done
ok "the counts of those who left end" wait_until 10 no_count
ok "the daemon is up" daemon_up

# --- what counts is what its RIGHTS say ---------------------------------------------------------------------------------------------------

# Enough that it is seen at it.
timeout 30 python3 "$HERE/t/lib/rights.py" watch "$PREFIX" 20 holdfast-count >"$SCRATCH/results" 2>&1 & watcher=$!
for _ in $(seq 40); do kill -0 $watcher 2>/dev/null || break; tool quota check >/dev/null 2>&1; done
wait $watcher
import_results "$SCRATCH/results" "a count: "

# --- warnings --------------------------------------------------------------------------------------------------------------------------

warns() { grep -c "quota.warn server=$1 " "$LOG"; }
is "$(warns two)" 0 "nothing is told of an empty disk"
TWO=$PREFIX/state/servers/two
fill() { as_server two bash -c "head -c $1 /dev/zero >f && sync f"; hf alice quota two >/dev/null; }
fill 50M
is "$(warns two)" 0 "nor below 80 percent"
fill 54M
is "$(warns two)" 1 "above 80: one line"
like "$(grep 'quota.warn' "$LOG" | tail -n 1)" 'server=two percent=84 used=56[0-9]* limit=67108864' "with the numbers"
like "$(hf alice status 2>/dev/null)" 'two .*disk 84 % full' "status has a word about it"
like "$(hf alice quota two)" '84 % full' "and quota"
unlike "$(hf alice quota one)" '% full' "of the other nothing"
fill 50M; fill 54M
is "$(warns two)" 1 "a little down and up again: not again"
fill 62M
is "$(warns two)" 2 "above 95: one more"
fill 40M; fill 54M
is "$(warns two)" 3 "down for good and up: again"
fill 1
as_server two bash -c 'i=0; while ((i < 16500)); do : >n$i; i=$((i + 1)); done'
hf alice quota two >/dev/null
is "$(warns two)" 4 "inodes count as bytes do"
like "$(hf alice status 2>/dev/null)" 'two .*disk 82 % full' "and show"
# By the timer, with nobody asking.
as_server one bash -c 'head -c 50M /dev/zero >fill; sync fill'
ok "by itself within 30 s" wait_until 40 bash -c "grep -q 'quota.warn server=one' '$LOG'"
done_testing
