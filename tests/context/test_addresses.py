"""The client's address: what trusted proxies say counts, and nothing that a client sends."""

from django.test import SimpleTestCase
from hypothesis import example, given
from hypothesis import strategies as st

from signalscope.core.addresses import (
    MAX_HEADER_LENGTH,
    client_address,
    find_networks,
    parse_address,
    shorten,
)

NETWORKS = ["10.0.0.0/8", "2001:db8:1::/48"]
CLIENT = "203.0.113.7"
# What a client may send: bytes as WSGI and ASGI decode them, and what looks like entries.
texts = st.text(st.characters(max_codepoint=255), max_size=80)
lists = st.lists(
    st.one_of(
        texts,
        st.ip_addresses().map(str),
        st.sampled_from(
            ['for="', "for=6.6.6.6;", "10.0.0.1", '"', "\\", '\\"', "for=10.0.0.9", "unknown", ""]
        ),
    ),
    max_size=6,
).map(",".join)


def forwarded_for(value, remote="10.0.0.1", trusted=NETWORKS, header=None):
    """Return the address where X-Forwarded-For has a value."""
    meta = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": value}
    return client_address(meta, trusted, header)


def forwarded(value, remote="10.0.0.1", trusted=NETWORKS, header=None):
    """Return the address where Forwarded has a value."""
    return client_address({"REMOTE_ADDR": remote, "HTTP_FORWARDED": value}, trusted, header)


class ForgeryTests(SimpleTestCase):
    """Whatever a client sends comes left of what the proxies add, and changes nothing."""

    @given(lists)
    def test_nobody_is_trusted(self, sent):
        """Without proxies no header counts."""
        for trusted in (0, (), ["unix"], ["192.0.2.0/24"]):
            self.assertEqual(forwarded_for(sent, CLIENT, trusted), CLIENT)
            self.assertEqual(forwarded(sent, CLIENT, trusted), CLIENT)

    @given(lists)
    @example('"')
    def test_networks(self, sent):
        """Two proxies of trusted networks."""
        added = f"{sent}, {CLIENT}, 10.0.0.2"
        self.assertEqual(forwarded_for(added), CLIENT)
        self.assertEqual(forwarded_for(added, header="X-Forwarded-For"), CLIENT)

    @given(lists)
    @example('for="evil')
    @example('for="evil\\')
    def test_networks_by_forwarded(self, sent):
        """No quote that the client leaves open swallows what the proxies write."""
        added = f'{sent}, For="{CLIENT}:4711";by="_a,b\\"c";proto=https, for=10.0.0.2'
        self.assertEqual(forwarded(added), CLIENT)
        self.assertEqual(forwarded(added, header="Forwarded"), CLIENT)

    @given(lists)
    def test_counted(self, sent):
        """Two proxies, told by their number."""
        self.assertEqual(forwarded_for(f"{sent}, {CLIENT}, 192.0.2.9", trusted=2), CLIENT)
        self.assertEqual(forwarded(f"{sent}, for={CLIENT}, for=192.0.2.9", trusted=2), CLIENT)

    @given(lists)
    def test_unix_socket(self, sent):
        """A proxy on the same machine, which has no address."""
        self.assertEqual(forwarded_for(f"{sent},{CLIENT}", "", ["unix"]), CLIENT)

    @given(lists)
    def test_other_header(self, sent):
        """A header that the proxies do not know counts for nothing where theirs is named."""
        meta = {
            "REMOTE_ADDR": "10.0.0.1",
            "HTTP_X_FORWARDED_FOR": f"{sent}, {CLIENT}",
            "HTTP_FORWARDED": sent,
        }
        self.assertEqual(client_address(meta, NETWORKS, "X-Forwarded-For"), CLIENT)
        # Where it is not named, the client can hide, but cannot be another.
        self.assertIn(client_address(meta, NETWORKS, None), (CLIENT, "10.0.0.1"))

    @given(lists, st.integers(0, 5))
    def test_nothing_raises(self, sent, count):
        """Whatever comes, the answer is an address or nothing."""
        for trusted in (count, NETWORKS, [*NETWORKS, "unix"]):
            for remote in (sent, "", "10.0.0.1"):
                for found in (
                    forwarded_for(sent, remote, trusted),
                    forwarded(sent, remote, trusted),
                ):
                    self.assertTrue(found == "" or parse_address(found))

    def test_long_header(self):
        """Of ten million characters only the last few are looked at."""
        for sent in ("1.1.1.1," * 1_250_000, '"' * 10_000_000, '\\"' * 5_000_000, "x" * 10_000_000):
            self.assertEqual(forwarded_for(f"{sent}, {CLIENT}"), CLIENT)
            self.assertEqual(forwarded(f"{sent}, for={CLIENT}"), CLIENT)

    def test_cut_entry(self):
        """An entry that begins before that is not taken for the address that is left of it."""
        proxies = ",10.0.0.2" * 450
        for cut in range(1, len("221.4.5.6")):
            room = MAX_HEADER_LENGTH - len(proxies) - cut
            self.assertEqual(forwarded_for("221.4.5.6" + " " * room + proxies), "10.0.0.2")


class WalkTests(SimpleTestCase):
    """From right to left, as far as trust goes."""

    def test_networks(self):
        """The first that is no proxy counts; of proxies alone, the first one."""
        for value, found in (
            ("198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("2001:db8:2::5, 2001:db8:1::9", "2001:db8:2::5"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:55555", "203.0.113.7"),
            ("[2001:db8:2::5]:443", "2001:db8:2::5"),
            ("", "10.0.0.1"),
        ):
            self.assertEqual(forwarded_for(value), found, value)

    def test_mapped_peer(self):
        """A server that listens on IPv6 sees its proxies as ::ffff:10.0.0.1."""
        self.assertEqual(forwarded_for("203.0.113.7", "::ffff:10.0.0.1"), "203.0.113.7")

    def test_what_cannot_be_read_ends_it(self):
        """The last address that somebody trusted told counts, not what is left of the gap."""
        for gap in ("unknown", "_hidden", "", "10.0.0.256", "evil\0"):
            self.assertEqual(forwarded_for(f"6.6.6.6, {gap}"), "10.0.0.1", gap)
            self.assertEqual(forwarded_for(f"6.6.6.6, {gap}, 10.0.0.2"), "10.0.0.2", gap)
        self.assertEqual(forwarded_for("6.6.6.6, unknown, 10.0.0.2", trusted=3), "10.0.0.2")

    def test_count(self):
        """The n-th from the right; with fewer, nobody knows who they are of."""
        value = "198.51.100.1, 203.0.113.7, 192.0.2.9"
        for count, found in ((0, "10.0.0.1"), (1, "192.0.2.9"), (2, "203.0.113.7")):
            self.assertEqual(forwarded_for(value, trusted=count), found)
        self.assertEqual(forwarded_for(value, trusted=4), "10.0.0.1")

    def test_unix(self):
        """A peer without an address is trusted only as "unix", and then the rest by network."""
        value = "198.51.100.1, 203.0.113.7, 10.0.0.2"
        self.assertEqual(forwarded_for(value, "", ["unix", *NETWORKS]), "203.0.113.7")
        self.assertEqual(forwarded_for(value, "", ["unix"]), "10.0.0.2")
        self.assertEqual(forwarded_for(value, "", NETWORKS), "")
        self.assertEqual(forwarded_for(value, "garbage", ["unix"]), "")
        self.assertEqual(client_address({}, ["unix"], None), "")

    def test_forwarded(self):
        """The grammar of RFC 7239, and what does not follow it."""
        for value, found in (
            ("for=203.0.113.7", "203.0.113.7"),
            ("proto=https; FOR=203.0.113.7 ; by=203.0.113.43", "203.0.113.7"),
            ('for="203.0.113.7:4711"', "203.0.113.7"),
            ('for="[2001:db8:2::17]:4711"', "2001:db8:2::17"),
            ('for="[2001:db8:2::17]:_port"', "2001:db8:2::17"),
            ('for=203.0.113.7;host="a,b;for=6.6.6.6"', "203.0.113.7"),
            ('for="\\203.0.113.7"', "203.0.113.7"),
            ("for=6.6.6.6, for=203.0.113.7, for=10.0.0.2", "203.0.113.7"),
            ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6, by=10.0.0.2", "10.0.0.1"),
            ("for=6.6.6.6;for=203.0.113.7", "10.0.0.1"),
            ("for=6.6.6.6 for=203.0.113.7", "10.0.0.1"),
            ('for="6.6.6.6', "10.0.0.1"),
            ("for=", "10.0.0.1"),
        ):
            self.assertEqual(forwarded(value), found, value)

    def test_both_headers(self):
        """Where the header is not named, both must agree; where it is, only that one counts."""
        meta = {
            "REMOTE_ADDR": "10.0.0.1",
            "HTTP_X_FORWARDED_FOR": "203.0.113.7",
            "HTTP_FORWARDED": "for=203.0.113.7",
        }
        self.assertEqual(client_address(meta, NETWORKS, None), "203.0.113.7")
        meta["HTTP_FORWARDED"] = "for=198.51.100.1"
        self.assertEqual(client_address(meta, NETWORKS, None), "10.0.0.1")
        self.assertEqual(client_address(meta, NETWORKS, "Forwarded"), "198.51.100.1")
        self.assertEqual(client_address(meta, NETWORKS, "X-Forwarded-For"), "203.0.113.7")


class AddressTests(SimpleTestCase):
    """One entry."""

    def test_parse(self):
        """Ports and zones are left out; what is no address is nothing."""
        for text, found in (
            (" 192.0.2.1\t", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("::FFFF:192.0.2.1", "192.0.2.1"),
            ("2001:0DB8::0001", "2001:db8::1"),
        ):
            self.assertEqual(str(parse_address(text)), found)
        for text in (
            "",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.1:port",
            "192.0.2.1:123456",
            "[::1",
            "::1]:80",
            "\uff11.2.3.4",
            "1.2.3.4\0",
            "1" * 1000,
            "localhost",
        ):
            self.assertIsNone(parse_address(text), text)

    def test_shorten(self):
        """What tells a person is cut off."""
        for address, found in (
            ("203.0.113.7", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("", ""),
        ):
            self.assertEqual(shorten(address), found)

    def test_networks(self):
        """Addresses are networks of one; what is no network is refused."""
        self.assertEqual(len(find_networks(("10.0.0.1", "unix", "::/0"))), 2)
        for text in ("10.0.0.1/8", "everybody", "10.0.0.0/33"):
            with self.assertRaises(ValueError):
                find_networks((text,))
