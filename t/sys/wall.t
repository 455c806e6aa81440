#!/bin/bash
# Which backend a server's files are on: the record beside them, what is said when the configuration wants another, no fall-back when one cannot
# be set up, `none` only by asking and said everywhere, and limits that change under a running server.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need strace
scratch
cat >"$SCRATCH/more.ini" <<'EOI'
[server two]
quota = none, unsafe
restart = never
[server one]
restart = never
EOI
rig_up --ini "$SCRATCH/more.ini"
S=$CONFIG/servers.d/rig.ini D=$PREFIX/state/servers
tool() { timeout 60 "$TOOL" --run "$RUN" "$@"; }
sets() { sed -i "/^\[server $1\]/,/^\[/{/^$2 =/d}" "$S"; [ -z "$3" ] || sed -i "/^\[server $1\]/a $2 = $3" "$S"; }
quota() { hf "$(owner_of "$1")" quota "$1" --json | python3 -c 'import json,sys; o=json.load(sys.stdin); print(o[sys.argv[1]])' "$2"; }
limit_is() { [ "$(quota "$1" limit)" = "$2" ]; }
restart_daemon() {
    kill "$SERVER_PID"
    local i; for ((i = 0; i < 200; i++)); do alive "$SERVER_PID" || break; sleep 0.05; done
    eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null)"
}

wait_until_done() { local i; for ((i = 0; i < 50; i++)); do tool quota migrate "$@" && return 0; sleep 0.2; done; return 1; }

# --- the record -----------------------------------------------------------------------------------------------------------------------------

noted() { local s; for s in one two three; do [ -s "$D/.$s.quota" ] && mountpoint -q "$D/$s" || return 1; done; }
ok "the disks come up" wait_until 20 noted
is "$(cat "$D/.one.quota"; stat -c '%u %a' "$D/.one.quota")" "holdfast quota 1
backend image
0 600" "auto has made an image here, and noted it"
is "$(tail -n 1 "$D/.two.quota")" "backend none" "what was asked for by name is what was made"
is "$(quota one backend)" image "quota --json tells the backend"
is "$(quota two backend)" "none, unsafe" "in the words of the ini files"

# --- none, said everywhere ------------------------------------------------------------------------------------------------------------------

is "$(stat -c '%u %a' "$D/two.files")" "0 700" "what is below it has ids of the machine's users: only root gets there"
like "$(findmnt -no OPTIONS "$D/two")" "nosuid,nodev" "and the mount is nosuid, nodev"
is "$(stat -c %u "$D/two")" "$((SERVERS_UID + $(( ($(stat -c %u "$D/two") - SERVERS_UID) / 65536 * 65536 + 1000 ))))" "and shows the server's ids"
is "$(stat -c %u "$D/two.files/tree")" 1000 "whatever they are on the disk"
ok "the log says it" logged 'quota.none server=two why="nothing holds it to its disk limit'
like "$(hf alice status two)" "none, unsafe: nothing holds it to its disk limit" "status says it"
is "$(field two quota)" "none, unsafe" "for programs, too"
is "$(field one quota) $(field one quota_note)" "image " "and of another what it has"
like "$(tool status)" "two .*nothing holds it to its disk limit" "the tool's status says it"
like "$(tool status --json | grep '"two"')" '"quota":"none, unsafe","quota_note":"nothing holds it' "for programs, too"
exits 0 "doctor has no failure" tool doctor
like "$out" "warn quota: auto: .*image.*none, unsafe: nothing holds server two to the disk limit" "and says it, and what auto takes"
exits 0 "so has -t" "$DAEMON" -c "$CONFIG" -t
like "$out" "warn quota: auto: .*image.*none, unsafe: nothing holds server two" "and says the same"
put_run two <"$HERE/t/payload/echo"
ok "a file goes there by sftp" test -s "$D/two/run"
ok "and it runs" started two
before=$(grep -c 'quota.none server=two' "$LOG")
stopped two >/dev/null 2>&1

# --- words of the ini files -------------------------------------------------------------------------------------------------------------------

sets two quota none
exits 1 "'none' alone is an error" tool reload
like "$err" "bad value 'none' of 'quota'; allowed: auto \| project \| btrfs \| zfs \| image \| fuse \| none, unsafe" "that names what is meant"
sets two quota "none, unsafe"
exits 0 "back" tool reload

# --- another one is configured ----------------------------------------------------------------------------------------------------------------

words="its files are on image; configured: none; move them with 'holdfast quota migrate one none', or set quota = image"
sets one quota "none, unsafe"
exits 0 "a reload takes another backend for files that are there" tool reload
like "$out" "server one: $words" "and says what follows"
exits 1 "it does not start" hf alice start one --wait
like "$(field one reason)" "disk: $words" "with the same words"
put_run one <"$HERE/t/payload/echo"
restart_daemon
ok "a daemon that starts does not bring its disk up" wait_until 10 logged "error=\"quota: its files are on image; configured: none"
exits 1 "nor is it started then" hf alice start one --wait
like "$(field one reason)" "$words" "with the reason"
is "$(ls -d "$D"/one.* | xargs -n 1 basename)" one.img "nothing was made for it elsewhere"
sets one quota image
exits 0 "its own is configured" tool reload
ok "it starts" started one
sets one quota ""
exits 0 "with auto" tool reload
stopped one >/dev/null 2>&1
ok "it starts" started one
sets two quota ""
exits 0 "auto, for one on none" tool reload
like "$out" "server two: its files are on none; configured: auto; move them" "is not enough"
exits 1 "it does not start" hf alice start two --wait
sets two quota "none, unsafe"
exits 0 "back" tool reload

# --- what cannot be set up --------------------------------------------------------------------------------------------------------------------

# A fault in the job of a server whose files are still to be made.  (With auto, a machine without loop devices is one for the next that fits.)
cat >>"$S" <<'EOI'
[server fresh]
owner = alice
command = ./run
disk = 8M
inodes = 200
restart = never
quota = image
EOI
for fault in "faccessat2,access:path=/dev/loop-control EACCES fit" "openat:path=/dev/loop-control EMFILE up" "fsmount EPERM mount" "move_mount ENOMEM mount" "mount_setattr EPERM mount"; do
    read -r call error what <<<"$fault"
    path=; [[ $call == *:path=* ]] && path=${call#*:path=} call=${call%%:*}
    strace -f -qq -o "$SCRATCH/trace" ${path:+-P "$path"} -e trace="$call" -e inject="$call:error=$error" -p "$SERVER_PID" 2>/dev/null & tracer=$!
    wait_until 5 grep -qs "^TracerPid:.*$tracer" "/proc/$SERVER_PID/status"
    tool reload >/dev/null 2>&1
    exits 1 "$call fails in $what: no start" hf alice start fresh --wait --timeout 20
    like "$(field fresh reason)" "^disk: .+" "with the reason"
    kill $tracer; wait $tracer 2>/dev/null
    ok "the fault was met" grep -q INJECTED "$SCRATCH/trace"
    is "$(ls -d "$D"/fresh.files 2>/dev/null)" "" "nothing weaker was taken"
    nok "nothing is mounted" mountpoint -q "$D/fresh"
done
ok "without a fault it comes up" wait_until 10 eval 'hf alice quota fresh >/dev/null 2>&1'
is "$(tail -n 1 "$D/.fresh.quota")" "backend image" "on what was configured, and nothing else"
sets fresh quota btrfs
rm -rf "$D/nowhere"
sed -i 's/^\[server fresh\]/[server other]\nowner = alice\ncommand = .\/run\nquota = floppy\n&/' "$S"
exits 1 "a word that is none is refused" tool reload
sed -i '/^\[server other\]/,/^quota = floppy/d' "$S"
sets fresh quota ""
exits 0 "back" tool reload

# --- files are moved --------------------------------------------------------------------------------------------------------------------------

put_run two <"$HERE/t/payload/echo"
sum=$(sha256sum <"$D/two/run")
started two >/dev/null 2>&1
exits 3 "a server that runs is not moved" tool quota migrate two image
like "$err" "stop it first" "with what to do"
stopped two >/dev/null 2>&1
exits 1 "nor one to what is not configured" tool quota migrate two image
like "$err" "configured is none: set quota = image \(or auto\) first, and reload" "with what to do"
ok "its files are there again" wait_until 10 eval 'hf alice quota two >/dev/null 2>&1'
ok "its disk is up again" wait_until 10 mountpoint -q "$D/two"
two_uid=$(stat -c %u "$D/two")
mkfifo "$SCRATCH/hold"
timeout 60 "${SSH[@]}" alice "rsync --server --sender -r . /two" <"$SCRATCH/hold" >/dev/null 2>&1 & client=$!
exec 8>"$SCRATCH/hold"
ok "a client's rsync waits at its files" wait_until 15 pgrep -u "$two_uid" rsync
exits 3 "then it is not moved" tool quota migrate two image
like "$err" "in use, by a session, an rsync or a backup" "with the reason"
exec 8>&-; wait $client
sets two quota image
exits 0 "then it is configured" tool reload
exits 0 "a look" tool quota migrate two image --dry-run
like "$out" "^two: 2 files and folders, [0-9]+ bytes, can be moved from none to image; [0-9]+ bytes are free on the machine's disk$" "tells"
is "$(tail -n 1 "$D/.two.quota")" "backend none" "and does nothing"
exits 2 "another option is none" tool quota migrate two image --now
exits 1 "another server is none" tool quota migrate four image
exits 0 "a migration" tool quota migrate two image
like "$out" "^two: 2 files and folders, [0-9]+ bytes, moved from none to image$" "tells what was moved"
unlike "$out$err" $'[\r\033]' "without a terminal there is no progress"
is "$(cat "$D/.two.quota"; ls -A "$D" | grep '^\.*two')" "holdfast quota 1
backend image
.two.lock
.two.quota
two
two.img" "nothing else is left"
ok "its disk comes up" wait_until 10 eval '[ "$(quota two backend)" = image ]'
is "$(sha256sum <"$D/two/run")" "$sum" "with the same files"
ok "it starts" started two
stopped two >/dev/null 2>&1
# Whoever asked goes, in the middle: everything is as it was.
sets two quota "none, unsafe"
tool reload >/dev/null 2>&1
as_server two sh -c 'i=0; while [ $i -lt 15000 ]; do echo $i >many$i; i=$((i + 1)); done' 2>/dev/null
before=$(as_server two sh -c 'cat many* run | sha256sum')
# The copy is held up, so that it is in the middle.
in_the_middle() { local p; tail -n 1 "$D/.two.quota" | grep -qx 'new none' || return 1; p=$(role_pids copy); [ -n "$p" ] && kill -STOP $p; }
"$TOOL" --run "$RUN" quota migrate two none >/dev/null 2>&1 & asker=$!
ok "the copy is under way" wait_until 10 in_the_middle
kill -9 $asker; wait $asker 2>/dev/null
ok "who asked has gone: it is given up" wait_until 20 logged 'quota.migrate server=two to=none error="two: given up'
settled() { [ "$(sed 1d "$D/.two.quota" | wc -l)" = 1 ] && [ -z "$(ls -A "$D" | grep '^\.two.*new')" ] && [ -z "$(role_pids copy)" ]; }
ok "nothing half is left" wait_until 20 settled
is "$(tail -n 1 "$D/.two.quota")" "backend image" "its files are where they were"
# The daemon is killed in the middle: the job hears it, and undoes what it did.
"$TOOL" --run "$RUN" quota migrate two none >/dev/null 2>&1 & asker=$!
ok "the copy is under way" wait_until 10 in_the_middle
kill -9 "$SERVER_PID"; wait $asker 2>/dev/null
ok "the daemon is killed: undone" wait_until 20 settled
eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null)"
exits 0 "a new daemon moves them" wait_until_done two none
is "$(tail -n 1 "$D/.two.quota")" "backend none" "whole"
wait_until 10 mountpoint -q "$D/two"
is "$(as_server two sh -c 'cat many* run | sha256sum')" "$before" "each of the files"
as_server two sh -c 'rm -f many*'

# --- limits, at once --------------------------------------------------------------------------------------------------------------------------

put_run two <"$HERE/t/payload/echo"
ok "a server on none" started two
pid=$(field two pid)
sets two disk 32M; sets two inodes 5000
exits 0 "its limits are changed while it runs" tool reload
like "$out" "server two: disk = 33554432, inodes = 5000" "the reload says so"
ok "at once" wait_until 5 limit_is two 33554432
is "$(quota two inodes_limit) $(field two pid)" "5000 $pid" "both, and it runs on"
ok "it is in the log" wait_until 5 logged 'server.limit server=two disk=33554432 inodes=5000 was=67108864,20000'
sets two disk 64M
exits 0 "and up again" tool reload
ok "at once" wait_until 5 limit_is two 67108864
exits 0 "a reload that changes nothing" tool reload
unlike "$out" "server two" "says nothing of it"

# Files on an image: what its backend can do at once is its own, but it is never silently another limit.
sets one disk 96M
exits 0 "an image's limit is changed" tool reload
like "$out" "server one: disk = 100663296" "the reload says so"
one_told() { [ "$(quota one limit)" = 100663296 ] || [[ $(field one quota_note) == *"100663296 bytes and 20000 files are asked for; "*"in force until its disk is next unmounted"* ]]; }
ok "it is in force, or status says that it is not yet" wait_until 10 one_told
head -c 40M /dev/zero >"$SCRATCH/large"
sets one disk 32M
exits 0 "and lowered" tool reload
nok "the gate has the new limit at once" put alice "$SCRATCH/large" /one/large
batch alice <<<"-rm /one/large" >/dev/null 2>&1
sets one disk 64M
exits 0 "and up again" tool reload
large_fits() { put alice "$SCRATCH/large" /one/large && [ "$(stat -c %s "$D/one/large")" = 41943040 ]; }
ok "more fits then" wait_until 10 large_fits

ok "the daemon is up" daemon_up
done_testing
