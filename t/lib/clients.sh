# Stock clients against a rig: source after rig.sh.
#
#   clients_home         a home, caches and configuration of their own in $SCRATCH/home, and no agent: whoever runs the tests stays out of it
#   tree ARG...          t/lib/tree.py
#   same_tree A B DESC [mode] [time] [folders] [links]    two trees hold the same
#   RCLONE=() LFTP CURL=() PUTTY=()             made by clients_config WHO (alice, or alice+big)
#   size_of PATH         of a remote file, in bytes ("" if it is not there)
#   sum_of PATH          SHA-256 of a remote file, computed there
#   cut_at BYTES PATH CMD...   runs CMD, kills it when PATH has grown to BYTES, waits until its session is gone

# shellcheck shell=bash
clients_home() {
    export HOME=$SCRATCH/home XDG_CONFIG_HOME=$SCRATCH/home/.config XDG_CACHE_HOME=$SCRATCH/home/.cache LFTP_HOME=$SCRATCH/home/lftp
    export GIT_CONFIG_GLOBAL=$SCRATCH/home/gitconfig GIT_CONFIG_NOSYSTEM=1 BORG_BASE_DIR=$SCRATCH/home/borg SQLITE_HISTORY=/dev/null
    unset SSH_AUTH_SOCK SSH_ASKPASS
    mkdir -p "$HOME/.ssh" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" "$LFTP_HOME"
    cp "$KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
}

tree() { "$HERE/t/lib/tree.py" "$@"; }
same_tree() {
    local a=$1 b=$2 desc=$3; shift 3
    is "$(diff <(tree show "$a" "$@") <(tree show "$b" "$@" 2>&1) | head -n 6 | cut -c1-200)" "" "$desc"
}

clients_config() {
    local who=$1 prints
    printf '[hf]\ntype = sftp\nhost = %s\nport = %s\nuser = %s\nkey_file = %s\nknown_hosts_file = %s\n' \
        "$HOST" "$PORT" "$who" "$KEY" "$KNOWN_HOSTS" >"$HOME/rclone.conf"
    RCLONE=(rclone --config "$HOME/rclone.conf" --stats 0 -q)
    LFTP="set sftp:connect-program \"ssh -a -x -F $SSH_CONFIG -o User=$who\"; set net:max-retries 2; set net:timeout 20; set cmd:fail-exit yes
        set net:reconnect-interval-base 1; open sftp://alice:@alice"
    CURL=(curl -sS --key "$KEY" --pubkey "$KEY.pub" -u "$who:")
    URL=sftp://$HOST:$PORT
    prints=$(ssh-keygen -lf <(cut -d' ' -f2- "$KNOWN_HOSTS") | awk '/ED25519/ { print $2 }')
    [ -f "$HOME/key.ppk" ] || puttygen "$KEY" -O private -o "$HOME/key.ppk" --ppk-param version=3
    PUTTY=(-batch -P "$PORT" -i "$HOME/key.ppk" -hostkey "$prints" -l "$who")
}
lftp_do() { timeout -k 5 "$RUN_BOUND" lftp -c "$LFTP; $1"; }
psftp_do() { timeout -k 5 "$RUN_BOUND" psftp "${PUTTY[@]}" "$HOST" -b /dev/stdin <<<"$1"; }

size_of() { batch alice <<<"ls -ln \"$1\"" 2>/dev/null | awk '$1 ~ /^-/ { print $5 }'; }
sum_of() { hf alice sha256sum "$1" | cut -c1-64; }
local_sum() { sha256sum <"$1" | cut -c1-64; }
has_size() { local n; n=$(size_of "$2"); [ -n "$n" ] && [ "$n" -ge "$1" ]; }
no_session() { [ -z "$(role_pids session)" ]; }
cut_at() {
    local bytes=$1 path=$2 pid; shift 2
    "$@" >"$SCRATCH/cut.out" 2>&1 </dev/null &
    pid=$!
    wait_until 30 has_size "$bytes" "$path"
    # With what it has started: the ssh under sftp and lftp.
    pkill -KILL -P $pid
    kill -KILL $pid
    wait $pid 2>/dev/null
    wait_until 20 no_session
}
