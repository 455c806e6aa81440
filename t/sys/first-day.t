#!/bin/bash
# The whole story with stock clients: files in, a game server up and asked over its port, its console, its logs, a full disk, a backup, the
# daemon killed under it, the end, and nothing left.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rclone sftp ssh zstd tar sha256sum python3
[ -x /usr/games/teeworlds-server ] || skip_all "teeworlds-server is not installed"
RUN_BOUND=300
scratch
DISK_MIB=800
cat >"$SCRATCH/day.ini" <<EOF
[server arena]
owner = alice
command = ./run
disk = ${DISK_MIB}M
inodes = 20000
memory = 512M
pids = 64
port = 31010/udp
; Nothing answers there, so what the game looks up fails at once and not after long waits.
[network]
dns = 127.0.0.1
EOF
rig_up --ini "$SCRATCH/day.ini"

# --- files ------------------------------------------------------------------------------------------------------------------------------

python3 - "$SCRATCH/tree" <<'E2'
import os, random, sys
random.seed(7)
for i in range(2000):
    folder = f"{sys.argv[1]}/{i % 40:02}/{'deeper' if i % 3 else 'wide'}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/file {i:04}.dat", "wb") as f:
        f.write(random.randbytes(random.choice((0, 1, 100, 4096, 8192, 20000))))
E2
head -c 512M /dev/urandom >"$SCRATCH/big"
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
sums "$SCRATCH/tree" >"$SCRATCH/tree.sums"
is "$(wc -l <"$SCRATCH/tree.sums")" 2000 "there are 2,000 files to send"
big_sum=$(sha256sum <"$SCRATCH/big")

cat >"$SCRATCH/rclone.conf" <<EOF
[hf]
type = sftp
host = $HOST
port = $PORT
user = alice
key_file = $KEY
known_hosts_file = $KNOWN_HOSTS
EOF
RCLONE=(timeout 300 rclone --config "$SCRATCH/rclone.conf" --stats 0 -q)

from=$(now_us)
ok "sftp sends the tree" batch alice <<<"put -r \"$SCRATCH/tree\" /arena/tree"
ok "sftp sends 512 MiB" batch alice <<<"put \"$SCRATCH/big\" /arena/big"
ok "rclone sends the tree" "${RCLONE[@]}" copy "$SCRATCH/tree" hf:arena/tree2
diag "sent in $((($(now_us) - from) / 1000)) ms"
ok "rclone reads what sftp sent, byte for byte" "${RCLONE[@]}" check --download "$SCRATCH/tree" hf:arena/tree
mkdir "$SCRATCH/back"
ok "sftp fetches what rclone sent" batch alice <<<"get -r /arena/tree2 \"$SCRATCH/back\""
is "$(sums "$SCRATCH/back/tree2" | diff - "$SCRATCH/tree.sums" | head -n 5)" "" "the same bytes came back"
is "$("${RCLONE[@]}" cat hf:arena/big | sha256sum)" "$big_sum" "512 MiB by sftp in, by rclone out: the same sha256"
ok "sftp fetches 512 MiB" batch alice <<<"get /arena/big \"$SCRATCH/big.back\""
is "$(sha256sum <"$SCRATCH/big.back")" "$big_sum" "and so by sftp"
rm -f "$SCRATCH/big.back"; rm -rf "$SCRATCH/back"

# --- the game -----------------------------------------------------------------------------------------------------------------------------

install -m 0755 "$HERE/t/payload/arena" "$SCRATCH/run"
ok "the start script goes in with its mode" batch alice <<<"put -p \"$SCRATCH/run\" /arena/run"
exits 0 "start" hf alice start arena --wait --timeout 30
is "$(field arena state)" running "it runs"
pid=$(field arena pid)
ok "its pid is a process here" kill -0 "$pid"
where=$(address arena)
like "$where" '^10\.213\.' "status names its address"
game() { timeout 20 python3 "$HERE/t/lib/teeworlds.py" "$where" 31010 "${1:-10}"; }
like "$(game)" '^arena at first' "Teeworlds answers on its UDP port"

# --- the console ----------------------------------------------------------------------------------------------------------------------------

exits 0 "send a command" hf alice send arena "'sv_name \"sent name\"'"
named() { [[ $(game 2) == "$1"* ]]; }
ok "its effect is seen on the port" wait_until 10 named "sent name"
(sleep 1; echo 'sv_name "filtered name"'; sleep 2) | hf alice console arena >"$SCRATCH/console.out" 2>"$SCRATCH/console.err"
ok "a line through the console as a filter has its effect" wait_until 10 named "filtered name"
like "$(<"$SCRATCH/console.out")" 'filtered name' "and the console shows it"
cat >"$SCRATCH/attach.py" <<'E2'
import os, pty, select, sys, time
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
seen, typed, end = b"", False, time.monotonic() + 25
while time.monotonic() < end:
    if select.select([fd], [], [], 0.2)[0]:
        try:
            block = os.read(fd, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    if not typed and b"arena is up" in seen:
        os.write(fd, b'sv_name "typed name"\r')
        typed = True
    if typed and b"cmd='sv_name \"typed name\"'" in seen:
        break
os.kill(pid, 15)
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(0 if typed else 1)
E2
ok "attach with a terminal, see the history, type" timeout 60 python3 "$SCRATCH/attach.py" "${SSH[@]}" -tt alice console arena
ok "what was typed has its effect" wait_until 10 named "typed name"

# --- logs -------------------------------------------------------------------------------------------------------------------------------------

hf alice logs arena -n 5 >"$SCRATCH/logs"
is "$(wc -l <"$SCRATCH/logs")" 5 "logs -n 5 prints five lines"
timeout 60 "${SSH[@]}" alice logs arena -n 1 -f >"$SCRATCH/follow" 2>/dev/null </dev/null &
follower=$!
cleanup kill "$follower"
wait_until 10 test -s "$SCRATCH/follow"
hf alice send arena "say follow this line"
ok "logs -f follows" wait_until 10 grep -q 'follow this line' "$SCRATCH/follow"
unset 'tap_stack[-1]'; kill "$follower"; wait "$follower" 2>/dev/null

# --- a full disk ------------------------------------------------------------------------------------------------------------------------------

quota() { hf alice quota arena --json | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())[sys.argv[1]])' "$1"; }
limit=$(quota limit)
is "$limit" $((DISK_MIB << 20)) "quota names the limit"
head -c 400M /dev/zero >"$SCRATCH/filler"
fill() { batch alice <<<"put \"$SCRATCH/filler\" /arena/filler"; }
run fill
isnt "$rc" 0 "sftp cannot put more than fits"
like "$out$err" "quota exceeded \([0-9.]+ ?[KMG]?i?B? ?of" "and is told: quota exceeded (used of limit)"
used=$(quota used)
atmost "$used" "$limit" "not past the limit"
atleast "$used" $((limit - (8 << 20))) "and up to it"
hf alice send arena "'say still here'"
ok "the game runs on with a full disk" named "typed name"
ok "the filler goes" batch alice <<<"rm /arena/filler"
atmost "$(quota used)" $((limit - (100 << 20))) "its space is back"
hf alice send arena "'!dd if=/dev/zero of=/home/server/inside bs=1M count=400; ls -l /home/server/inside'"
log_has() { hf alice logs arena -n 40 | grep -q "$1"; }
ok "from inside: No space left on device" wait_until 60 log_has 'No space left on device'
wait_until 10 log_has 'exit code 0 of !dd'
used=$(quota used)
atmost "$used" "$limit" "not past the limit"
atleast "$used" $((limit - (8 << 20))) "and up to it"
head -c 8M "$SCRATCH/filler" >"$SCRATCH/more"
nok "nothing more by sftp now" batch alice <<<"put \"$SCRATCH/more\" /arena/more"
batch alice <<<"-rm /arena/more" >/dev/null 2>&1
real=$(du -s --block-size=1 "$PREFIX/state/servers/arena" | cut -f1)
atmost "$real" "$limit" "what the host counts in its folder is not past the limit either"
hf alice send arena "'!rm inside'"
space_back() { [ "$(quota used)" -le $((limit - (100 << 20))) ]; }
ok "removed inside, its space is back" wait_until 10 space_back

# --- a backup -----------------------------------------------------------------------------------------------------------------------------------

ok "the big file goes before the backup" batch alice <<<"rm /arena/big"
exits 0 "backup create" hf alice backup create arena
hf alice backup list arena --json >"$SCRATCH/backups"
is "$(wc -l <"$SCRATCH/backups")" 1 "one backup in the list"
id=$(python3 -c 'import json,sys; print(json.loads(open(sys.argv[1]).readline())["id"])' "$SCRATCH/backups")
hf alice backup get arena "$id" >"$SCRATCH/arena.tar.zst"
is $? 0 "backup get"
ok "it is whole zstd" zstd -tq "$SCRATCH/arena.tar.zst"
ok "tar lists it" tar --zstd -tf "$SCRATCH/arena.tar.zst"
mkdir "$SCRATCH/restored"
ok "tar unpacks it" tar --zstd -C "$SCRATCH/restored" -xf "$SCRATCH/arena.tar.zst"
tree=$(find "$SCRATCH/restored" -type d -name tree -print -quit)
is "$(sums "${tree:-$SCRATCH/restored}" | diff - "$SCRATCH/tree.sums" | head -n 5)" "" "the tree in it is the tree sent"
ok "so is the script" cmp "${tree%/tree}/run" "$SCRATCH/run"

# --- the daemon dies ----------------------------------------------------------------------------------------------------------------------------

kill -KILL "$SERVER_PID"
gone() { ! kill -0 "$SERVER_PID" 2>/dev/null; }
wait_until 10 gone
like "$(game)" '^typed name' "the daemon is killed, the game answers on"
restarted=$("$HERE/t/rig" start "$PREFIX" 2>&1)
is $? 0 "the daemon starts again"
eval "$(grep ^SERVER_PID= <<<"$restarted")" || diag "$restarted"
is "$(field arena state)" running "it knows the server runs"
is "$(field arena pid)" "$pid" "as the same process"
like "$(game)" '^typed name' "which answers"
timeout 10 bash -c 'sleep 1 | "$@"' - "${SSH[@]}" -tt alice console arena >"$SCRATCH/console.out" 2>/dev/null
like "$(<"$SCRATCH/console.out")" 'follow this line' "the console has its history"
ok "the logs are there" log_has 'say still here\|No space left'
hf alice send arena "'sv_name \"second life\"'"
ok "the console still types" wait_until 10 named "second life"

# --- the end ------------------------------------------------------------------------------------------------------------------------------------

exits 0 "stop" hf alice stop arena --wait --timeout 40
is "$(field arena state)" offline "it is offline"
nok "and its port is silent" game 2
exits 3 "status of a server that does not run exits 3" hf alice status arena
uids=$(find /tmp /var /run /dev/shm /home /root -xdev \( -uid +$((SERVERS_UID - 1)) -uid -$((SERVERS_UID + 2097152)) \
    -o -uid +$((SESSIONS_UID - 1)) -uid -$((SESSIONS_UID + 2048)) \) -not -path "$PREFIX/*" 2>/dev/null)
is "$uids" "" "no file of its uids outside its prefix"
tap_stack=("${tap_stack[@]/rig_end */}")
ok "shut down, with no process, mount, loop device, cgroup or interface left" "$HERE/t/rig" down "$PREFIX"
nok "and no file" test -e "$PREFIX"
done_testing
