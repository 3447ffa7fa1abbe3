# What every suite begins with: PID 1 is busybox, and this is what it runs. The host
# sets FILESYSTEM, and adds the commands of the suite and `finish`.
/bin/busybox --install -s /bin
export PATH=/trusted:/bin HOME=/ TERM=dumb NO_COLOR=1
# What the kernel says would tear the lines apart; it is asked for below.
dmesg -n 1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /tmp /T /D
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /T
until mount -t "$FILESYSTEM" /dev/vda /D 2>/dev/null; do sleep 0.1; done
ifconfig lo 127.0.0.1 up

# try NAME SECONDS DIRECTORY COMMAND...: runs a command in a new directory there, under
# a deadline, and keeps what it said, what the kernel reports, and how it ended. The
# console is told the name only: a serial port that is not read loses characters.
try() {
    name=$1 seconds=$2 place=$3/work
    shift 3
    echo "suite: $name"
    mkdir "$place" && cd "$place" || exit
    timeout -s KILL "$seconds" "$@" </dev/null >/tmp/one 2>&1
    status=$?
    {
        echo "begin $name"
        sed 's/^/| /' /tmp/one
        echo
        dmesg -c | grep -E 'BUG:|WARNING:|INFO: |Oops|UBSAN' | sed 's/^/report /'
        echo "end $status"
    } >>/tmp/said
    cd /
    rm -rf "$place"
}

# Leaves what was said on the disk, and ends. A file system that stays in use although
# nobody is left has been lost count of.
finish() {
    echo all >>/tmp/said
    cp /tmp/said /D
    tries=0
    until umount /D 2>/dev/null; do
        kill -9 -1
        sleep 0.1
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] && continue
        echo 'report the disk stays in use' >>/D/said
        mount -o remount,ro /D
        break
    done
    poweroff -f
}
