"""Made images of people whose every pixel is known: bodies, clothes, scenes, rays, labels and files."""
