package cluster

import (
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

// unprivileged lists the users that may run the server for root, the best first.
var unprivileged = []string{"postgres", "nobody"}

// owner is the operating system's user that runs the server and owns its directory.
type owner struct {
	name string
	user *lifecycle.User // nil: the user of this process
}

// ownerOf picks who runs the cluster in dir: this process's user, or for root the user the directory belongs to already,
// else the first unprivileged one that exists.
func ownerOf(dir string) (owner, error) {
	if os.Geteuid() != 0 {
		self, err := osuser.Current()
		if err != nil {
			return owner{}, fmt.Errorf("PostgreSQL needs a user with a name (an entry in the passwd database) for uid %d: %w", os.Geteuid(), err)
		}
		return owner{name: self.Username}, nil
	}
	if info, err := os.Stat(dir); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			u, err := osuser.LookupId(strconv.Itoa(int(stat.Uid)))
			if err != nil {
				return owner{}, fmt.Errorf("%s belongs to uid %d, which has no name on this machine; give it to the user postgres (chown -R): %w", dir, stat.Uid, err)
			}
			return owner{name: u.Username, user: &lifecycle.User{UID: stat.Uid, GID: stat.Gid}}, nil
		}
	}
	for _, name := range unprivileged {
		u, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return owner{}, fmt.Errorf("user %s: %w", name, err)
		}
		return owner{name: name, user: &lifecycle.User{UID: uint32(uid), GID: uint32(gid)}}, nil
	}
	return owner{}, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it; create one, or start mshub as an ordinary user")
}

// own gives a path to the owner.
func (o owner) own(path string) error {
	if o.user == nil {
		return nil
	}
	return os.Chown(path, int(o.user.UID), int(o.user.GID))
}

// reaches checks that the owner may enter every directory down to dir.
func (o owner) reaches(dir string) error {
	if o.user == nil {
		return nil
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		enter := info.Mode().Perm() & 0o001
		switch {
		case stat.Uid == o.user.UID:
			enter = info.Mode().Perm() & 0o100
		case stat.Gid == o.user.GID:
			enter = info.Mode().Perm() & 0o010
		}
		if enter == 0 {
			return fmt.Errorf("PostgreSQL runs as the user %s (it refuses to run as root), who may not enter %s; choose another data directory with --data, or chmod +x that one", o.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// environment is all that the server and its tools see of the environment.
func (o owner) environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LC_ALL=C", "TZ=UTC"}
}

// systemUsers are the names that may connect as the superuser: the owner and whoever runs mshub.
func (o owner) systemUsers() []string {
	if o.user == nil {
		return []string{o.name}
	}
	return []string{o.name, "root"}
}
