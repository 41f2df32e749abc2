"""Addresses are shown without their secrets."""

import pytest

from posetrack.addresses import has_hidden_part, hide_in_text, name_address, show_address

SHOWN = {
    "http://admin:S3CRET@127.0.0.1:80/two.mp4": "http://***@127.0.0.1:80/two.mp4",
    "http://S3CRET@host": "http://***@host",
    "http://host:80/two.mp4?pw=S3CRET&x=1#S3CRET": "http://host:80/two.mp4?***",
    "http://host/two.mp4#S3CRET": "http://host/two.mp4#***",
    "http://user:pa@S3CRET@host/x.mp4": "http://***@host/x.mp4",
    "http://user:pa/S3CRET@host/x.mp4": "http://***@host/x.mp4",
    "http://user:pa#S3CRET@host/x.mp4": "http://***@host/x.mp4",
    "http://user:pa?S3CRET@host/x.mp4": "http://***@host/x.mp4",
    "http://user%3AS3CRET%40host/x.mp4": "http://***@host/x.mp4",
    "http://user:a://S3CRET@host/x": "http://***@host/x",
    "http://user:S3CRET": "http://user:***",
    "http:/user:S3CRET@host/x.mp4": "http:/***@host/x.mp4",
    "http:user:S3CRET@host/x.mp4": "http:***@host/x.mp4",
    "HTTP://U:S3CRET@H/X": "HTTP://***@H/X",
    "http://u:S3CRET@[::1]:80/x.mp4": "http://***@[::1]:80/x.mp4",
    "srt://host:9000?passphrase=S3CRET&mode=caller": "srt://host:9000?***",
    "rtmp://host/app/S3CRET": "rtmp://host/app/***",
    "rtmps://u:S3CRET@host:443/app/S3CRET?token=S3CRET": "rtmps://***@host:443/app/***?***",
    "rtmp://host/app playpath=S3CRET": "rtmp://host/app playpath=***",
    "rtsp://10.0.0.2:554/user=admin_password=S3CRET_stream=0.sdp?x": "rtsp://10.0.0.2:554/user=***?***",
    "rtsp://u:S3CRET@cam/h264;token=S3CRET/x": "rtsp://***@cam/h264;***/x",
    "http://h/x%3Fpw%3DS3CRET": "http://h/x%3F***",
    "http://h/x.mp4|User-Agent=S3CRET": "http://h/x.mp4|***",
    "concat:http://u:S3CRET@a/1.ts|http://u:S3CRET@b/2.ts": "concat:http://***@a/1.ts|http://***@b/2.ts",
    "crypto:http://u:S3CRET@a/1.ts": "crypto:http://***@a/1.ts",
    "crypto+https://u:S3CRET@a/1.ts?x=S3CRET": "crypto+https://***@a/1.ts?***",
    "tls://http://u:S3CRET@a:1/x": "tls://http://***@a:1/x",
    "subfile,,start,1,end,0,,:http://u:S3CRET@a/1.ts": "subfile,,start,1,end,0,,:http://***@a/1.ts",
    "http://proxy/http%3A%2F%2Fu%3AS3CRET%40a%2F1.ts": "http://proxy/http://***@a/1.ts",
    "http://proxy/http://u:S3CRET@a/1.ts": "http://proxy/http://***@a/1.ts",
    "http://proxy/get?u=http://u:S3CRET@a/1.ts": "http://proxy/get?***",
}
AS_THEY_ARE = [
    "http://[::1]:80/x.mp4",
    "http://host/@me/my video.mp4",
    "udp://@239.0.0.1:1234",
    "rtmp://host/live",
    "http://",
    "http://[",
    "clips/two?x=1;b#c.mp4",
    "/data/a@b:c=d.mp4",
    "file:///a/b?c.mp4",
    "frames/*.jpg",
    "0",
    "",
]


@pytest.mark.parametrize("address", SHOWN)
def test_secrets_are_hidden_and_the_rest_stays(address):
    shown = show_address(address)
    assert shown == SHOWN[address]
    assert show_address(shown) == shown
    assert "S3CRET" not in name_address(address)
    assert has_hidden_part(shown)


@pytest.mark.parametrize("address", AS_THEY_ARE)
def test_what_has_no_secret_is_shown_as_it_is(address):
    assert show_address(address) == address
    assert not has_hidden_part(address)


@pytest.mark.parametrize("address", [address for address in SHOWN if " " not in address])
def test_addresses_in_messages_of_libraries_are_replaced(address):
    said = hide_in_text(f"[Errno 5] no answer: '{address}'; try again")
    assert said == f"[Errno 5] no answer: '{SHOWN[address]}'; try again"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://u:p@host:80/clips/two.mp4?x=/a.b", "two"),
        ("rtmp://host/live/KEY", "live"),
        ("srt://host:9000?streamid=KEY", "stream"),
        ("rtsp://host", "stream"),
        ("rtsp://host/user=admin_password=x.sdp", "stream"),
        ("http://[", "stream"),
    ],
)
def test_outputs_are_named_by_what_is_shown(address, name):
    assert name_address(address) == name
