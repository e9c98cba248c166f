"""Exports the small models into the folders that `--models` takes."""

import export_files
import grounding_dino
import ram_export
import sam_huggingface
import sam_original
import small

# Of the seeds tried, those with which every stage keeps some and drops some, for most of its reasons.
RAM_SEED, DETECTOR_SEED, SEGMENTER_SEED, ORIGINAL_SEED, FINE_SEED = 26, 136, 48, 10, 16
# The image size that the small GroundingDINO takes; the first picture fills it, the second is padded at the right.
DETECTOR_SIZE = (96, 128)


def export(out):
    """Fills `out`; returns the tokenizer of the small vocabulary."""
    words = small.tokenizer(out)
    (out / "vocab.txt").unlink()
    texts = {"tags.txt": "".join(f"{tag}\n" for tag in small.TAGS)}
    write(out / "huggingface/ram", ram_export.graphs(small.ram(RAM_SEED)), texts)
    for layout in grounding_dino.LAYOUTS:
        detector = small.grounding_dino(DETECTOR_SEED, len(words))
        graphs = grounding_dino.graphs(detector, words, layout, *DETECTOR_SIZE)
        write(out / layout / "grounding_dino", graphs, grounding_dino.companions(words, layout, *DETECTOR_SIZE))
    segmenter = small.sam(SEGMENTER_SEED)
    side = segmenter.config.vision_config.image_size
    write(out / "huggingface/sam", sam_huggingface.graphs(segmenter), sam_huggingface.companions(side))
    write(out / "original/sam", sam_original.graphs(small.original_sam(ORIGINAL_SEED)), {})
    write(out / "sam_hq/sam", sam_original.graphs(small.original_sam(FINE_SEED, fine=True)), {})
    return words


def write(folder, graphs, texts):
    export_files.write(folder, graphs, texts, report=lambda _: None)
