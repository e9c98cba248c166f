"""Motion-JPEG frames as USB cameras send them, of blocks that are black or white each."""
import struct

# The DC codes for luma of ITU-T T.81, table K.3, by the number of bits that follow; decoders know them.
DC_CODES = ["00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110"]
END_OF_BLOCK = "1010"
# Chroma of one grey: no difference to the block before, then the end of the block, by tables K.4 and K.6.
GREY_CHROMA = "00" + "00"
STEP = 8


def frame(width, height, white):
    """4:2:2 and without Huffman tables; `white(column, row)` says it of each block of 8×8."""
    segments = [(0xE0, b"AVI1" + bytes(10))]
    segments += [(0xDB, bytes([table]) + bytes([STEP] * 64)) for table in (0, 1)]
    components = bytes([1, 0x21, 0, 2, 0x11, 1, 3, 0x11, 1])
    segments += [(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components)]
    segments += [(0xDA, bytes([3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]))]
    head = b"".join(struct.pack(">BBH", 0xFF, kind, 2 + len(body)) + body for kind, body in segments)
    return b"\xff\xd8" + head + scan(width, height, white) + b"\xff\xd9"


def scan(width, height, white):
    bits, before = [], 0
    for row in range(-(-height // 8)):
        for column in range(0, 2 * -(-width // 16), 2):
            for block in (column, column + 1):
                # The mean of a block, less 128, times 8.
                level = (1016 if white(block, row) else -1024) // STEP
                bits += [difference(level - before), END_OF_BLOCK]
                before = level
            bits.append(GREY_CHROMA + GREY_CHROMA)
    bits = "".join(bits)
    bits += "1" * (-len(bits) % 8)
    packed = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return packed.replace(b"\xff", b"\xff\x00")


def difference(value):
    size = abs(value).bit_length()
    # A negative number is written less one, without its sign.
    written = value if value > 0 else value + (1 << size) - 1
    return DC_CODES[size] + (f"{written:0{size}b}" if size else "")
