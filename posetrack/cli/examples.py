"""Examples of the commands, which their help shows: command lines, each with what it does."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("posetrack run video.mp4", "an annotated video and a file of poses"),
        ("posetrack live", "the same over a camera, in the browser"),
        ("posetrack run --help", "the options of a command"),
    ),
    "run": (
        ("posetrack run video.mp4", "into posetrack-out/video/"),
        ("posetrack run video.mp4 -r fast -o out", "one network, a folder of your choice"),
        ("posetrack run videos/ photos/ 'shots/*.png'", "folders of videos or images, glob patterns"),
        ("posetrack run video.mp4 --start 10 --end 20 --every 2", "a part of it, every second frame"),
        ("posetrack run video.mp4 -f coco -f csv", "further formats beside poses.jsonl"),
        ("posetrack run *.mp4 --resume", "continue where a killed run stopped"),
        ("posetrack run archive/ list.txt --workers 2", "two at a time; the same again does what is missing"),
        ("posetrack run match.mp4 --workers 2 --split 60", "one long video, in parts of a minute"),
        ("posetrack run /shared/in -o /shared/out --cluster auto", "on a Ray cluster; see docs/cluster.md"),
    ),
    "track-dataset": (
        (
            "posetrack track-dataset annotations/val --images . -o val",
            "results/, metrics.json, all poses",
        ),
        ("posetrack track-dataset annotations/test --images . -o test", "a test set: results to hand in"),
        (
            "posetrack track-dataset annotations/val --images . --boxes detections.json -r hrnet-w32",
            "in the boxes of another detector",
        ),
        ("posetrack eval posetrack --gt annotations/val --pred val --sweep", "which keypoints to leave out"),
    ),
    "live": (
        ("posetrack live", "camera 0; the page opens at http://127.0.0.1:8000"),
        ("posetrack live 1 --window --mirror", "another camera, in a window, mirrored"),
        ("posetrack live rtsp://camera/stream --record out.mp4", "a network camera, recorded"),
        ("posetrack live 0 --serve 0.0.0.0:8000", "for other machines; prints an address with a token"),
        ("posetrack live 0 --json - > poses.jsonl", "poses as JSON lines"),
    ),
    "draw": (
        ("posetrack draw poses.jsonl", "poses.mp4, over the video that they come from"),
        (
            "posetrack draw poses.jsonl -o one.gif --only 3 --background black --scale 0.5",
            "one person, no video",
        ),
        ("posetrack draw poses.jsonl --blur-faces --no-boxes -o blurred.mp4", "faces made unrecognisable"),
        ("posetrack draw poses.jsonl --sheet people.png", "everyone on one image"),
        ("posetrack draw poses.jsonl --background transparent -o layer.mov", "for a video editor"),
    ),
    "edit": (
        ("posetrack edit poses.jsonl tracks", "the ids, and where they may have been swapped"),
        ("posetrack edit poses.jsonl swap 3 7 --frame 120", "they changed ids at frame 120"),
        ("posetrack edit poses.jsonl merge 3 9", "9 is 3, who was lost for a while"),
        ("posetrack edit poses.jsonl split 3 --frame 120", "somebody else from there on, with a new id"),
        ("posetrack edit poses.jsonl rename 12 5", "another number"),
        ("posetrack edit poses.jsonl delete 8 --first 40 --last 60", "in these frames, or everywhere"),
        ("posetrack edit poses.jsonl drop-short --seconds 1", "delete everybody who is seen for less"),
        ("posetrack edit poses.jsonl keypoint 3 left_wrist --frame 120 --at 431,220", "or --absent"),
        ("posetrack edit poses.jsonl interpolate 3", "over the gaps, or those from --first to --last"),
        ("posetrack edit poses.jsonl undo", "the last edit; redo makes it again, list shows all"),
    ),
    "review": (
        ("posetrack review posetrack-out/video", "the page opens at http://127.0.0.1:8000"),
        ("posetrack review poses.jsonl --video moved/clip.mp4", "the video is elsewhere now"),
        ("posetrack review poses.jsonl --export posetrack18", "corrected poses as ground truth; no page"),
    ),
    "retrack": (
        ("posetrack retrack poses.jsonl", "into poses.retracked.jsonl"),
        ("posetrack retrack poses.jsonl -r mine.toml --smooth", "other tracker settings, smoothed keypoints"),
        ("posetrack retrack poses.jsonl --no-flow -o new.jsonl", "without the video"),
        ("posetrack retrack openpose-json/ --video clip.mp4", "poses that another program has found"),
    ),
    "crops": (
        ("posetrack crops poses.jsonl", "one clip a person, beside the poses"),
        ("posetrack crops poses.jsonl --thumbnails --only 3,5 -o people", "one image each of two people"),
    ),
    "convert": (
        ("posetrack convert poses.jsonl --to csv", "saved poses in another format"),
        ("posetrack convert poses.jsonl --to posetrack18 --ground-truth", "corrected poses, to evaluate with"),
        ("posetrack convert gt/ --to coco -o coco", "a data set in another format"),
        (
            "posetrack convert alphapose-results.json --to poses --video clip.mp4 -o out",
            "another program's as a poses.jsonl",
        ),
    ),
    "measure": (
        ("posetrack measure poses.jsonl", "angles, lengths, speeds in pixels; tables, plots, OpenSim's .mot"),
        ("posetrack measure poses.jsonl --height 1.78@3 -o out", "metres, by the height of id 3"),
        (
            "posetrack measure poses.jsonl --floor 100,300,500,300,620,460,10,460@4x6",
            "where people stand, in metres",
        ),
        ("posetrack measure poses.jsonl --format wide --cutoff 4 --max-gap 0.1", "one table, another filter"),
    ),
    "recipes": (("posetrack recipes", "what each recipe is for"),),
    "doctor": (("posetrack doctor", "what is installed, and which recipes can run here"),),
    "check": (
        ("posetrack check people/ --images photos/", "before training on a data set of yours"),
        ("posetrack check train.json val.json", "also images that both have"),
    ),
    "train": (
        ("posetrack train mine.toml --data people", "a recipe of yours; see docs/own_data.md"),
        ("posetrack train mine.toml --data people --resume", "continue it"),
        ("torchrun --no-python --nproc-per-node 4 posetrack train mine.toml --data people", "on four GPUs"),
    ),
    "export": (
        ("posetrack export movenet-person", "an OpenVINO file of a network"),
        ("posetrack export weights.safetensors --to onnx -o net.zip", "ONNX"),
        (
            "posetrack export thunder-heatmaps-256x192 --int8 --calibrate photos/",
            "smaller and faster",
        ),
    ),
    "bench": (
        ("posetrack bench video.mp4 -r default -r fast", "two recipes, one after the other"),
        ("posetrack bench video.mp4 --live", "as a camera: images shown a second, dropped, and how late"),
        ("posetrack bench train mine.toml --data data", "the speed of a training"),
    ),
    "bench train": (("posetrack bench train mine.toml --data data --workers 2", "parts of a step"),),
    "weights": (("posetrack weights list", "what there is"),),
    "weights list": (("posetrack weights list", "names, licences, and whether they are here"),),
    "weights fetch": (
        ("posetrack weights fetch hrnet-w32-256x192", "for recipe hrnet-w32"),
        ("posetrack weights fetch --all --mirror /media/usb", "from a folder, without a network"),
    ),
    "weights verify": (("posetrack weights verify", "all that are here"),),
    "weights info": (("posetrack weights info movenet-person", "licence, digests, published numbers"),),
    "weights import": (
        (
            "posetrack weights import pose_hrnet_w32_256x192.pth --kind hrnet-w32-256x192 -o w32.safetensors",
            "a published file",
        ),
    ),
    "eval": (("posetrack eval coco --help", "the options of a benchmark"),),
    "eval posetrack": (
        ("posetrack eval posetrack --gt annotations/val --pred results --per-sequence", "folders of JSON"),
    ),
    "eval mot": (("posetrack eval mot --gt MOT17/train --pred results", "MOTA, IDF1 and HOTA of boxes"),),
    "eval coco": (
        (
            "posetrack eval coco --gt person_keypoints_val2017.json --pred results.json",
            "AP, AR of keypoints",
        ),
        ("posetrack eval coco --gt instances_val2017.json --pred boxes.json --type bbox", "of boxes"),
    ),
    "eval densepose": (
        ("posetrack eval densepose --gt minival.json --pred results.json --mesh densepose-data", "GPS"),
    ),
    "eval crowdpose": (("posetrack eval crowdpose --gt test.json --pred results.json", "AP by crowding"),),
    "eval mpii": (("posetrack eval mpii --gt gt_valid.mat --pred pred.mat", "PCKh"),),
    "eval pictures": (
        (
            "posetrack eval pictures --gt person_keypoints_val2017.json --images val2017 -r hrnet-w32",
            "a recipe's networks on images",
        ),
        ("posetrack eval pictures --gt val.json --images val --boxes annotated", "poses in given boxes"),
        (
            "posetrack eval pictures --format mpii --gt valid.json --images images -r mpii.toml --results out",
            "a network on MPII: out/pred.mat and PCKh",
        ),
    ),
}
"""By the words of the command behind `posetrack`; the empty key is the program itself."""
