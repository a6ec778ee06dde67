package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// writeAuditRow logs in to QuestDB over the Postgres wire protocol and writes one row, as Kuboard's audit would.
// The URI is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, percent-encoded where needed.
func writeAuditRow(uri string) error {
	target, err := url.Parse(uri)
	if err != nil || target.User == nil || target.Host == "" {
		// The URI holds the password, and so does the error of its parser.
		return errors.New("KUBOARD_QUEST_DB_URI is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	password, _ := target.User.Password()
	session, err := openPgwire(target.Host, target.User.Username(), password, strings.TrimPrefix(target.Path, "/"))
	if err != nil {
		return err
	}
	defer session.connection.Close()
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, query := range []string{
		"create table if not exists kuboard_standin_audit (at timestamp, host symbol, event string) timestamp(at) partition by day",
		fmt.Sprintf("insert into kuboard_standin_audit values (systimestamp(), '%s', 'started')", strings.ReplaceAll(host, "'", "''")),
	} {
		if err := session.query(query); err != nil {
			return err
		}
	}
	return nil
}

type pgwire struct {
	connection net.Conn
	reader     *bufio.Reader
}

func openPgwire(address, user, password, database string) (*pgwire, error) {
	connection, err := net.DialTimeout("tcp", address, 3*time.Second)
	if err != nil {
		return nil, err
	}
	p := &pgwire{connection: connection, reader: bufio.NewReader(connection)}
	if err := p.logIn(user, password, database); err != nil {
		connection.Close()
		return nil, fmt.Errorf("login at %s: %w", address, err)
	}
	return p, nil
}

func (p *pgwire) logIn(user, password, database string) error {
	if err := p.connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	var startup bytes.Buffer
	startup.Write([]byte{0, 3, 0, 0}) // protocol 3.0
	for _, word := range []string{"user", user, "database", database} {
		startup.WriteString(word)
		startup.WriteByte(0)
	}
	startup.WriteByte(0)
	if err := p.send(0, startup.Bytes()); err != nil {
		return err
	}
	return p.untilReady(func(kind uint32) error {
		switch kind {
		case 0:
			return nil
		case 3:
			return p.send('p', append([]byte(password), 0))
		default:
			return fmt.Errorf("the server asks for authentication of kind %d, only a clear-text password is known here", kind)
		}
	})
}

func (p *pgwire) query(text string) error {
	if err := p.connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if err := p.send('Q', append([]byte(text), 0)); err != nil {
		return err
	}
	return p.untilReady(nil)
}

// untilReady reads messages until the server is ready for a query; an error message of the server is an error.
func (p *pgwire) untilReady(authenticate func(kind uint32) error) error {
	var failure error
	for {
		kind, body, err := p.receive()
		switch {
		case errors.Is(err, io.EOF) && failure == nil:
			return errors.New("the server closed the connection (QuestDB does so to a wrong password)")
		case err != nil && failure != nil:
			return failure
		case err != nil:
			return err
		}
		switch kind {
		case 'R':
			if len(body) < 4 || authenticate == nil {
				return errors.New("unexpected authentication message")
			}
			if err := authenticate(binary.BigEndian.Uint32(body)); err != nil {
				return err
			}
		case 'E':
			failure = fmt.Errorf("the server says: %s", serverMessage(body))
		case 'Z':
			return failure
		}
	}
}

// serverMessage picks the human text, field M, out of an error message.
func serverMessage(body []byte) string {
	for _, field := range bytes.Split(body, []byte{0}) {
		if len(field) > 1 && field[0] == 'M' {
			return string(field[1:])
		}
	}
	return "unknown error"
}

func (p *pgwire) send(kind byte, body []byte) error {
	var message bytes.Buffer
	if kind != 0 {
		message.WriteByte(kind)
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(body)+4))
	message.Write(length[:])
	message.Write(body)
	_, err := p.connection.Write(message.Bytes())
	return err
}

func (p *pgwire) receive() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(p.reader, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length < 4 || length > 1<<20 {
		return 0, nil, errors.New("not the Postgres wire protocol")
	}
	body := make([]byte, length-4)
	_, err := io.ReadFull(p.reader, body)
	return head[0], body, err
}
