// Command interop checks our log with Go's own implementation of signed notes and Merkle trees
// (golang.org/x/mod/sumdb), and makes a log for us to check. It reads one JSON document and writes one.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	var run func() (interface{}, error)
	switch arg(1) {
	case "tiles":
		run = func() (interface{}, error) { return checkTiles(arg(2)) }
	case "proofs":
		run = checkProofs
	case "make":
		run = func() (interface{}, error) { return makeLog(arg(2)) }
	default:
		fail(errors.New("tiles DIR, proofs, or make DIR"))
	}
	answer, err := run()
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fail(err)
	}
}

func arg(i int) string {
	if i < len(os.Args) {
		return os.Args[i]
	}
	return ""
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// cosigner verifies and makes C2SP Ed25519 cosignatures (algorithm 0x04), which x/mod does not know.
type cosigner struct {
	name string
	id   uint32
	pub  ed25519.PublicKey
	priv ed25519.PrivateKey
	time uint64
}

func newCosigner(name string, pub ed25519.PublicKey) *cosigner {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write(append([]byte{4}, pub...))
	return &cosigner{name: name, id: binary.BigEndian.Uint32(h.Sum(nil)), pub: pub}
}

func parseCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("vkey")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("vkey: no cosigner")
	}
	c := newCosigner(parts[0], key[1:])
	if fmt.Sprintf("%08x", c.id) != parts[1] {
		return nil, errors.New("vkey: id")
	}
	return c, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.id }

func (c *cosigner) message(text []byte, time uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

func (c *cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	c.time = binary.BigEndian.Uint64(sig)
	return ed25519.Verify(c.pub, c.message(text, c.time), sig[8:])
}

func (c *cosigner) Sign(text []byte) ([]byte, error) {
	sig := make([]byte, 8)
	binary.BigEndian.PutUint64(sig, c.time)
	return append(sig, ed25519.Sign(c.priv, c.message(text, c.time))...), nil
}

// checkpoint is the body of a C2SP tlog-checkpoint.
type checkpoint struct {
	origin string
	tree   tlog.Tree
}

func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return checkpoint{}, errors.New("checkpoint: not three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return checkpoint{}, err
	}
	return checkpoint{lines[0], tlog.Tree{N: size, Hash: hash}}, nil
}

// files reads and writes tiles as C2SP tlog-tiles has them: Go's paths carry the height as well.
type files struct{ dir string }

func path(t tlog.Tile) string { return strings.Replace(t.Path(), "tile/8/", "tile/", 1) }

func entriesPath(n int64, width int) string {
	t := tlog.Tile{H: 8, L: 0, N: n, W: width}
	return strings.Replace(t.Path(), "tile/8/0/", "tile/entries/", 1)
}

func (f files) Height() int { return 8 }

func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, t := range tiles {
		b, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(path(t))))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

func (f files) write(name string, data []byte) error {
	target := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o600)
}

func readBundle(data []byte, width int) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("bundle: cut short")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, errors.New("bundle: width")
	}
	return entries, nil
}

type tilesInput struct {
	Vkey      string   `json:"vkey"`
	Cosigners []string `json:"cosigners"`
}

// checkTiles opens the checkpoint of a directory of static tiles with x/mod's note, and verifies every
// entry in it through x/mod's tile reader, which trusts nothing but the root hash.
func checkTiles(dir string) (interface{}, error) {
	var in tilesInput
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return nil, err
	}
	log, err := note.NewVerifier(in.Vkey)
	if err != nil {
		return nil, err
	}
	verifiers := []note.Verifier{log}
	times := map[string]*cosigner{}
	for _, vkey := range in.Cosigners {
		c, err := parseCosigner(vkey)
		if err != nil {
			return nil, err
		}
		times[c.name] = c
		verifiers = append(verifiers, c)
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return nil, err
	}
	n, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	signed := []string{}
	cosigned := map[string]uint64{}
	for _, sig := range n.Sigs {
		signed = append(signed, sig.Name)
		if c := times[sig.Name]; c != nil {
			cosigned[sig.Name] = c.time
		}
	}
	reader := tlog.TileHashReader(cp.tree, files{dir})
	size := cp.tree.N
	entries := []string{}
	for first := int64(0); first < size; first += 256 {
		width := 256
		if size-first < 256 {
			width = int(size - first)
		}
		data, err := os.ReadFile(filepath.Join(dir, entriesPath(first/256, width)))
		if err != nil {
			return nil, err
		}
		bundle, err := readBundle(data, width)
		if err != nil {
			return nil, err
		}
		var indexes []int64
		for i := range bundle {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		for i, entry := range bundle {
			if tlog.RecordHash(entry) != hashes[i] {
				return nil, fmt.Errorf("entry %d is not that of its tile", first+int64(i))
			}
			entries = append(entries, hex.EncodeToString(entry))
		}
	}
	return map[string]interface{}{
		"origin": cp.origin, "size": size, "signed": signed, "cosigned": cosigned,
		"unverified": len(n.UnverifiedSigs), "entries": entries,
	}, nil
}

type claim struct {
	Kind  string      `json:"kind"`
	Index int64       `json:"index"`
	Old   int64       `json:"old"`
	Size  int64       `json:"size"`
	Leaf  tlog.Hash   `json:"leaf"`
	From  tlog.Hash   `json:"from"`
	Root  tlog.Hash   `json:"root"`
	Proof []tlog.Hash `json:"proof"`
}

// checkProofs answers, for each claim, whether x/mod accepts it.
func checkProofs() (interface{}, error) {
	var claims []claim
	if err := json.NewDecoder(os.Stdin).Decode(&claims); err != nil {
		return nil, err
	}
	answers := []bool{}
	for _, c := range claims {
		var err error
		if c.Kind == "inclusion" {
			err = tlog.CheckRecord(c.Proof, c.Size, c.Root, c.Index, c.Leaf)
		} else {
			err = tlog.CheckTree(c.Proof, c.Size, c.Root, c.Old, c.From)
		}
		answers = append(answers, err == nil)
	}
	return answers, nil
}

type makeInput struct {
	Origin  string   `json:"origin"`
	Witness string   `json:"witness"`
	Time    uint64   `json:"time"`
	Entries []string `json:"entries"`
}

type made struct {
	Vkey      string   `json:"vkey"`
	Cosigner  string   `json:"cosigner"`
	Notes     []string `json:"notes"`
	Inclusion []claim  `json:"inclusion"`
	Trees     []claim  `json:"trees"`
}

type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, i := range indexes {
		if i < 0 || i >= int64(len(s)) {
			return nil, errors.New("no such hash")
		}
		found = append(found, s[i])
	}
	return found, nil
}

// makeLog builds a log of the entries given: a signed and cosigned checkpoint for every size, proofs
// under each, and its tiles in the directory.
func makeLog(dir string) (interface{}, error) {
	var in makeInput
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return nil, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, in.Origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	witness := newCosigner(in.Witness, pub)
	witness.priv, witness.time = priv, in.Time
	material := base64.StdEncoding.EncodeToString(append([]byte{4}, pub...))
	out := made{Vkey: vkey, Cosigner: fmt.Sprintf("%s+%08x+%s", in.Witness, witness.id, material)}
	var stored storage
	var entries [][]byte
	for i, text := range in.Entries {
		entry, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
		hashes, err := tlog.StoredHashes(int64(i), entry, stored)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
		size := int64(i + 1)
		root, err := tlog.TreeHash(size, stored)
		if err != nil {
			return nil, err
		}
		signed, err := note.Sign(
			&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", in.Origin, size, root)}, signer, witness)
		if err != nil {
			return nil, err
		}
		out.Notes = append(out.Notes, string(signed))
		for _, index := range []int64{0, size / 3, size - 1} {
			proof, err := tlog.ProveRecord(size, index, stored)
			if err != nil {
				return nil, err
			}
			out.Inclusion = append(out.Inclusion, claim{Kind: "inclusion", Index: index, Size: size,
				Leaf: tlog.RecordHash(entries[index]), Root: root, Proof: proof})
		}
		for _, old := range []int64{1, size/2 + 1, size} {
			if old > size {
				continue
			}
			proof, err := tlog.ProveTree(size, old, stored)
			if err != nil {
				return nil, err
			}
			from, err := tlog.TreeHash(old, stored)
			if err != nil {
				return nil, err
			}
			out.Trees = append(out.Trees, claim{Kind: "consistency", Old: old, Size: size, From: from,
				Root: root, Proof: proof})
		}
	}
	size := int64(len(entries))
	f := files{dir}
	for _, t := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(t, stored)
		if err != nil {
			return nil, err
		}
		if err := f.write(path(t), data); err != nil {
			return nil, err
		}
	}
	for first := int64(0); first < size; first += 256 {
		width := 256
		if size-first < 256 {
			width = int(size - first)
		}
		var bundle bytes.Buffer
		for _, entry := range entries[first : first+int64(width)] {
			if err := binary.Write(&bundle, binary.BigEndian, uint16(len(entry))); err != nil {
				return nil, err
			}
			bundle.Write(entry)
		}
		if err := f.write(entriesPath(first/256, width), bundle.Bytes()); err != nil {
			return nil, err
		}
	}
	return out, nil
}
