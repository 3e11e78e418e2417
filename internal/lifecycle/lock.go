package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockName is the file in a data directory that marks it as in use.
const lockName = "mshub.lock"

// Owner is the mshub that holds a data directory, as written in its lock file.
type Owner struct {
	PID     int       `json:"pid"`
	Address string    `json:"address,omitempty"` // where it listens, once it does
	Since   time.Time `json:"since"`
}

// Lock is the hold on a data directory. The kernel drops it when this process and the guards of its children have ended,
// so whoever gets it finds no child of a predecessor alive.
type Lock struct {
	file  *os.File
	owner Owner
}

// InUseError tells that another mshub works on the data directory.
type InUseError struct {
	Dir   string
	Owner Owner
}

func (e *InUseError) Error() string {
	at := ""
	if e.Owner.Address != "" {
		at = " at " + e.Owner.Address
	}
	return fmt.Sprintf("the data directory %s is in use by another mshub (process %d%s); stop it, or give this one a directory of its own with --data", e.Dir, e.Owner.PID, at)
}

// AcquireLock takes the directory, which must exist. If its owner is dead but the owner's children are still being stopped,
// it waits up to patience for them; if the owner lives, the error is an *InUseError at once.
func AcquireLock(dir string, patience time.Duration) (*Lock, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the data directory %s: %w", dir, err), file.Close())
		}
		var owner Owner
		if text, err := os.ReadFile(path); err == nil { //nolint:gosec // see above
			_ = json.Unmarshal(text, &owner) // unreadable for the moment in which its owner writes it
		}
		alive := owner.PID != 0 && !errors.Is(syscall.Kill(owner.PID, 0), syscall.ESRCH)
		if alive || time.Now().After(end) {
			return nil, errors.Join(&InUseError{Dir: dir, Owner: owner}, file.Close())
		}
	}
	l := &Lock{file: file, owner: Owner{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)}}
	if err := l.write(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), file.Close())
	}
	return l, nil
}

// SetAddress records where this mshub listens, for the error message of the next one.
func (l *Lock) SetAddress(address string) error {
	l.owner.Address = address
	return l.write()
}

func (l *Lock) write() error {
	text, err := json.Marshal(l.owner)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := l.file.Truncate(int64(len(text))); err != nil {
		return err
	}
	_, err = l.file.WriteAt(text, 0)
	return err
}

// Release gives the directory up. The file stays: deleting it would let two processes lock two files of one name.
func (l *Lock) Release() error { return l.file.Close() }
